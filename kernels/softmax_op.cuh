#pragma once

// softmax and log_softmax of each row.
//
//   y_i = exp(x_i - m) / sum_k exp(x_k - m),   log y_i = x_i - m - log sum_k exp(x_k - m),   m = max_k x_k
//
// Bound by memory: a row is read once and written once, 2 s bytes an element of s, and costs one ex2 an
// element. Rows that take two passes cost two, and what shared memory cannot keep of them is read
// twice, 3 s. How a row is spread over threads: row_reduce/plan.h.

#include <array>

#include "kernels/row_reduce/plan.h"
#include "kernels/row_reduce/row_op.cuh"

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

template <class T, class U, bool kLog>
struct Softmax : RowOpBase<Softmax<T, U, kLog>, T, U, 1> {
  using typename RowOpBase<Softmax, T, U, 1>::Row;
  using A = Accumulate<T>;
  using Summary = SoftmaxSummary<A>;
  static constexpr int kElementBytes = sizeof(T) > sizeof(U) ? sizeof(T) : sizeof(U);
  static constexpr int kMaxVectorsPerThread = kLog && kElementBytes == 2 ? 4 : 8;

  ConstMatrixView<T> x;
  MatrixView<U> y;

  template <int kVectors, int kWidth>
  struct Fragment {
    A v[kVectors][kWidth];  // exp(x - max of the lanes)
  };
  struct Params {
    A max;
    A scale;           // of exp(x - max)
    A fragment_scale;  // of the fragment
    A log_sum;
  };

  SOFTWARP_HD std::int64_t rows() const { return x.rows; }
  SOFTWARP_HD std::int64_t cols() const { return x.cols; }
  auto layouts() const { return std::array{layout_of(x), layout_of(y)}; }

  __device__ Row row_at(std::int64_t r) const { return {{x.row(r)}, y.row(r), r < x.rows, r < x.rows}; }
  __device__ static T identity() { return static_cast<T>(-kInfinity<float>); }

  template <int kVectors, int kWidth, class TileT>
  __device__ Summary reduce(const Vector<T, kWidth> (&in)[1][kVectors], Fragment<kVectors, kWidth>& fragment,
                            const TileT&, const LogicalWarp& warp) const {
    to_accumulator(in[0], fragment.v);
    const A max = warp.max(largest(fragment.v));
    return {max, warp.sum(exp_and_sum(fragment.v, max))};
  }

  template <int kVectors, int kWidth, class TileT>
  __device__ void accumulate(Summary& summary, const Vector<T, kWidth> (&in)[1][kVectors],
                             const TileT&) const {
    A v[kVectors][kWidth];
    to_accumulator(in[0], v);
    summary.rescale(max_of(summary.max, largest(v)));
    summary.sum += exp_and_sum(v, summary.max);
  }

  template <class PartitionT>
  __device__ Params finalize(const Row&, const Summary& lane_summary, const Summary& row_summary,
                             const PartitionT&) const {
    if constexpr (kLog) {
      return {row_summary.max, 0, 0, logarithm(row_summary.sum)};
    } else {
      const A scale = reciprocal(row_summary.sum);
      A fragment_scale = scale;
      if (lane_summary.max != row_summary.max) fragment_scale *= exp_fast(lane_summary.max - row_summary.max);
      return {row_summary.max, scale, fragment_scale, 0};
    }
  }

  template <int kVectors, int kWidth, class TileT>
  __device__ Vector<U, kWidth> apply(const Params& f, const Vector<T, kWidth> (&in)[1][kVectors],
                                     const Fragment<kVectors, kWidth>& fragment, int i,
                                     const TileT& tile) const {
    if constexpr (kLog) {
      return apply(f, in, i, tile);
    } else {
      Vector<U, kWidth> out;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) out.v[k] = static_cast<U>(fragment.v[i][k] * f.fragment_scale);
      return out;
    }
  }

  template <int kVectors, int kWidth, class TileT>
  __device__ Vector<U, kWidth> apply(const Params& f, const Vector<T, kWidth> (&in)[1][kVectors], int i,
                                     const TileT&) const {
    Vector<U, kWidth> out;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const A shifted = static_cast<A>(in[0][i].v[k]) - f.max;
      out.v[k] = static_cast<U>(kLog ? shifted - f.log_sum : exp_fast(shifted) * f.scale);
    }
    return out;
  }
};

}  // namespace softwarp
