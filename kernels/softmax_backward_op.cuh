#pragma once

// The backward of softmax and log_softmax of each row, from the result y and the gradient dy that arrives.
//
//   softmax:      dx_i = y_i (dy_i - sum_k dy_k y_k)
//   log_softmax:  dx_i = dy_i - exp(y_i) sum_k dy_k
//
// Bound by memory: y and dy are read once and dx is written once, 3 s bytes an element of s. Products and
// sums are float (of double, double): dy y is not rounded to the 16 bits that its factors may have.

#include <array>

#include "kernels/row_reduce/plan.h"
#include "kernels/row_reduce/row_op.cuh"

namespace softwarp {

template <class A>
struct Sum {
  A value;
  __device__ static Sum identity() { return {0}; }
  __device__ static Sum warp_reduce(const Sum& part, const LogicalWarp& warp) {
    return {warp.sum(part.value)};
  }
  __device__ friend Sum operator+(const Sum& a, const Sum& b) { return {a.value + b.value}; }
};

template <class T, bool kLog>
struct SoftmaxBackward : RowOpBase<SoftmaxBackward<T, kLog>, T, T, 2> {
  using Base = RowOpBase<SoftmaxBackward, T, T, 2>;
  using Base::apply;
  using typename Base::Row;
  using A = Accumulate<T>;
  using Summary = Sum<A>;
  static constexpr int kElementBytes = sizeof(T);
  static constexpr int kMaxVectorsPerThread = 4;

  ConstMatrixView<T> y;
  ConstMatrixView<T> dy;
  MatrixView<T> dx;

  using Params = A;  // the sum

  SOFTWARP_HD std::int64_t rows() const { return y.rows; }
  SOFTWARP_HD std::int64_t cols() const { return y.cols; }
  auto layouts() const { return std::array{layout_of(y), layout_of(dy), layout_of(dx)}; }

  __device__ Row row_at(std::int64_t r) const {
    return {{y.row(r), dy.row(r)}, dx.row(r), r < y.rows, r < y.rows};
  }
  __device__ static T identity() { return static_cast<T>(0.0f); }

  template <int kVectors, int kWidth, class TileT>
  __device__ void accumulate(Summary& summary, const Vector<T, kWidth> (&in)[2][kVectors],
                             const TileT&) const {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      A vector_sum = 0;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        const A g = static_cast<A>(in[1][i].v[k]);
        vector_sum += kLog ? g : g * static_cast<A>(in[0][i].v[k]);
      }
      summary.value += vector_sum;
    }
  }

  template <class PartitionT>
  __device__ Params finalize(const Row&, const Summary&, const Summary& row_summary,
                             const PartitionT&) const {
    return row_summary.value;
  }

  template <int kVectors, int kWidth, class TileT>
  __device__ Vector<T, kWidth> apply(Params sum, const Vector<T, kWidth> (&in)[2][kVectors], int i,
                                     const TileT&) const {
    Vector<T, kWidth> out;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const A yk = static_cast<A>(in[0][i].v[k]), g = static_cast<A>(in[1][i].v[k]);
      out.v[k] = static_cast<T>(kLog ? g - exp_fast(yk) * sum : yk * (g - sum));
    }
    return out;
  }
};

}  // namespace softwarp
