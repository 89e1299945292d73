#pragma once

// The summary of a row that softmax needs.

#include "kernels/primitives/arithmetic.cuh"
#include "kernels/primitives/vector.cuh"
#include "kernels/primitives/warp.cuh"

namespace softwarp {

// The largest element and the sum of exp(x - max), of a part of a row or all of it. Parts join in any order:
// the sum that belongs to the lower max is scaled by exp of the difference. (Milakov & Gimelshein,
// arXiv:1805.02867.) A part that is all -inf has the lowest finite max, so that -inf - max is -inf and not
// NaN; NaN and +inf make the sum NaN.
template <class A>
struct SoftmaxSummary {
  A max;
  A sum;

  __device__ static SoftmaxSummary identity() { return {kLowest<A>, 0}; }

  __device__ void rescale(A new_max) {
    sum *= exp_fast(max - new_max);
    max = new_max;
  }

  // Of the parts that the lanes have.
  __device__ static SoftmaxSummary warp_reduce(const SoftmaxSummary& part, const LogicalWarp& warp) {
    const A max = warp.max(part.max);
    return {max, warp.sum(part.sum * exp_fast(part.max - max))};
  }

  __device__ friend SoftmaxSummary operator+(const SoftmaxSummary& a, const SoftmaxSummary& b) {
    const A max = max_of(a.max, b.max);
    return {max, a.sum * exp_fast(a.max - max) + b.sum * exp_fast(b.max - max)};
  }
};

template <int kVectors, int kWidth, class A>
__device__ __forceinline__ A largest(const A (&v)[kVectors][kWidth]) {
  A max = kLowest<A>;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
#pragma unroll
    for (int k = 0; k < kWidth; ++k) max = max_of(max, v[i][k]);
  return max;
}

// v becomes exp(v - max), one exponential an element; returns the sum.
template <int kVectors, int kWidth, class A>
__device__ __forceinline__ A exp_and_sum(A (&v)[kVectors][kWidth], A max) {
  A sum = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    A vector_sum = 0;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) vector_sum += v[i][k] = exp_fast(v[i][k] - max);
    sum += vector_sum;
  }
  return sum;
}

}  // namespace softwarp
