#pragma once

// Numbers as kernels compute with them, and reductions over neighbouring lanes of a warp by shuffles: every
// lane ends with the same bits, which cub::WarpReduce would give to the first lane only.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <limits>
#include <type_traits>

#include "kernels/primitives/memory.cuh"

namespace softwarp {

// Numbers of 16 and 32 bits are computed with in float, those of 64 in double.
template <class T>
using Accumulate = std::conditional_t<std::is_same_v<T, double>, double, float>;

__device__ __forceinline__ float max_of(float a, float b) { return fmaxf(a, b); }
__device__ __forceinline__ double max_of(double a, double b) { return fmax(a, b); }
// One ex2 and a product; its error, 2^-22 and |x| 2^-24 relative, is a term of the bounds that the tests
// hold.
__device__ __forceinline__ float exp_fast(float x) { return __expf(x); }
__device__ __forceinline__ double exp_fast(double x) { return exp(x); }
// 1 / x for normal x, one Newton step from the hardware's guess: as exact as a division, without the code
// that a division has for numbers that never come here. Of 0 it is NaN.
__device__ __forceinline__ float reciprocal(float x) {
  const float guess = __fdividef(1.0f, x);
  return fmaf(guess, fmaf(-x, guess, 1.0f), guess);
}
__device__ __forceinline__ double reciprocal(double x) { return 1 / x; }
template <class A>
__device__ __forceinline__ bool is_finite(A x) {
  return x - x == 0;
}
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ double logarithm(double x) { return log(x); }

template <class A>
inline constexpr A kLowest = std::numeric_limits<A>::lowest();
template <class A>
inline constexpr A kInfinity = std::numeric_limits<A>::infinity();
template <class A>
inline constexpr A kNan = std::numeric_limits<A>::quiet_NaN();

inline constexpr unsigned kAllLanes = 0xffffffffu;

template <class V>
__device__ __forceinline__ V warp_shuffle_xor(const V& value, int distance) {
  auto words = words_of(value);
#pragma unroll
  for (unsigned& word : words.v) word = __shfl_xor_sync(kAllLanes, word, distance);
  return __builtin_bit_cast(V, words);
}

// `size` lanes, a power of two, that own a row together, and of which all take part: neighbours, or each
// `stride`th of them.
struct LogicalWarp {
  int size;
  int stride = 1;

  // The reduction of the lanes' values by `op`.
  template <class V, class BinaryOp>
  __device__ __forceinline__ V all_reduce(V value, BinaryOp op) const {
    for (int distance = size / 2; distance >= stride; distance /= 2)
      value = op(value, warp_shuffle_xor(value, distance));
    return value;
  }
  // NaN is passed over.
  template <class V>
  __device__ __forceinline__ V max(V value) const {
    return all_reduce(value, [](V a, V b) { return max_of(a, b); });
  }
  template <class V>
  __device__ __forceinline__ V min(V value) const {
    return all_reduce(value, [](V a, V b) { return a < b ? a : b; });
  }
  template <class V>
  __device__ __forceinline__ V sum(V value) const {
    return all_reduce(value, [](V a, V b) { return a + b; });
  }
  // The value of the first lane.
  template <class V>
  __device__ __forceinline__ V first(V value) const {
    return __shfl_sync(kAllLanes, value, 0, size);
  }
};

}  // namespace softwarp
