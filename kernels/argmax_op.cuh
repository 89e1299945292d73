#pragma once

// The column of each row's largest element, the first of equals; NaN counts as largest. Bound by memory: a
// row is read once, s bytes an element of s.

#include <array>
#include <climits>

#include "kernels/row_reduce/plan.h"
#include "kernels/row_reduce/row_op.cuh"

namespace softwarp {

template <class A>
struct ArgmaxSummary {
  A max;
  int best;  // INT_MAX: none is above -inf
  int nan;   // the first NaN's column, or INT_MAX

  __device__ static ArgmaxSummary identity() { return {kLowest<A>, INT_MAX, INT_MAX}; }
  __device__ static ArgmaxSummary warp_reduce(const ArgmaxSummary& part, const LogicalWarp& warp) {
    const A max = warp.max(part.max);
    return {max, warp.min(part.max == max ? part.best : INT_MAX), warp.min(part.nan)};
  }
  __device__ friend ArgmaxSummary operator+(const ArgmaxSummary& a, const ArgmaxSummary& b) {
    const int best = a.max > b.max ? a.best : b.max > a.max ? b.best : a.best < b.best ? a.best : b.best;
    return {max_of(a.max, b.max), best, a.nan < b.nan ? a.nan : b.nan};
  }
  // The row's first column where all are -inf.
  __device__ int column() const { return nan != INT_MAX ? nan : best != INT_MAX ? best : 0; }
};

template <class T>
struct Argmax : RowOpBase<Argmax<T>, T, T, 1> {
  using A = Accumulate<T>;
  using Summary = ArgmaxSummary<A>;
  static constexpr int kElementBytes = sizeof(T);
  static constexpr int kMaxVectorsPerThread = 8;

  ConstMatrixView<T> x;
  std::int32_t* best;
  const std::int32_t* targets;
  unsigned long long* correct;

  struct Row {
    const T* inputs[1];
    T* output;
    bool reads;
    bool writes;
    std::int64_t number;
  };
  struct Params {};

  SOFTWARP_HD std::int64_t rows() const { return x.rows; }
  SOFTWARP_HD std::int64_t cols() const { return x.cols; }
  SOFTWARP_HD bool writes() const { return false; }
  auto layouts() const { return std::array{layout_of(x)}; }

  __device__ Row row_at(std::int64_t r) const { return {{x.row(r)}, nullptr, r < x.rows, false, r}; }
  __device__ static T identity() { return static_cast<T>(-kInfinity<float>); }

  template <int kVectors, int kWidth, class TileT>
  __device__ void accumulate(Summary& summary, const Vector<T, kWidth> (&in)[1][kVectors],
                             const TileT& tile) const {
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        const A v = static_cast<A>(in[0][i].v[k]);
        const int column = static_cast<int>(tile.column(i, k));
        // A thread meets its columns in rising order.
        if (v > summary.max || (v == summary.max && summary.best == INT_MAX))
          summary.max = v, summary.best = column;
        if (v != v && summary.nan == INT_MAX) summary.nan = column;
      }
  }
  template <class PartitionT>
  __device__ Params finalize(const Row&, const Summary&, const Summary&, const PartitionT&) const {
    return {};
  }
  template <class PartitionT>
  __device__ void epilogue(const Row& row, const Params&, const Summary& row_summary,
                           const PartitionT& partition) const {
    if (!row.reads || partition.rank != 0) return;
    const int column = row_summary.column();
    store_one(column, best + row.number);
    // Whole numbers: the same sum in any order.
    if (correct != nullptr && load_one(targets + row.number) == column) atomicAdd(correct, 1ull);
  }
};

}  // namespace softwarp
