#pragma once

// An op on the rows of matrices: each row is reduced to a summary, and a row that depends on the summary is
// written. The op is a struct of device functions; kernels.cuh gets a row's elements to threads and back.
// With an op's register-resident kernel a row takes this way:
//
//   row      = op.prologue(r)                     its pointers, and what else belongs to it
//   in       = the thread's tile of the row       loaded once
//   summary  = all_reduce(op.reduce(in))          a monoid: Summary::identity(), +, warp_reduce
//   params   = op.finalize(row, summary)          the row's constants
//   output   = op.apply(params, in)               stored once
//              op.epilogue(row, params, summary)  what else the row gives, such as a loss
//
// An op derives from RowOpBase, which has a default for all that many ops do alike, and satisfies RowOp.

#include <concepts>

#include "kernels/row_reduce/tile.cuh"

namespace softwarp {

// Op is the derived struct; it reads kNumInputs matrices of T and writes one of U.
template <class Op, class T, class U, int kNumInputs>
struct RowOpBase {
  using Input = T;
  using Output = U;
  static constexpr int kInputs = kNumInputs;
  static constexpr int kReads =
      kNumInputs;  // vectors loaded for each one stored: the inputs' and, say, weights

  struct Row {
    const T* inputs[kNumInputs];
    U* output;
    bool reads;   // false: there is no such row
    bool writes;  // false: nothing is stored
  };
  // Kept beside `in` between reduce and apply, such as exponentials.
  template <int kVectors, int kWidth>
  struct Fragment {};

  SOFTWARP_HD bool writes() const { return true; }
  // Self is Op, which is not complete before these are used.
  template <class Self = Op>
  __device__ typename Self::Row prologue(std::int64_t r, const LogicalWarp&) const {
    return self().row_at(r);
  }

  // The summary of all that the warp's lanes have.
  template <int kVectors, int kWidth, class TileT, class FragmentT, class Self = Op>
  __device__ typename Self::Summary reduce(const Vector<T, kWidth> (&in)[kNumInputs][kVectors], FragmentT&,
                                           const TileT& tile, const LogicalWarp& warp) const {
    auto summary = Op::Summary::identity();
    self().accumulate(summary, in, tile);
    return Op::Summary::warp_reduce(summary, warp);
  }
  // Vector i of the result; of an op that writes nothing, nothing.
  template <int kVectors, int kWidth, class Params, class TileT>
  __device__ Vector<U, kWidth> apply(const Params&, const Vector<T, kWidth> (&)[kNumInputs][kVectors], int,
                                     const TileT&) const {
    return {};
  }
  // The same where the fragment is at hand.
  template <int kVectors, int kWidth, class Params, class FragmentT, class TileT>
  __device__ Vector<U, kWidth> apply(const Params& params,
                                     const Vector<T, kWidth> (&in)[kNumInputs][kVectors], const FragmentT&,
                                     int i, const TileT& tile) const {
    return self().apply(params, in, i, tile);
  }
  template <class Row, class Params, class Summary, class PartitionT>
  __device__ void epilogue(const Row&, const Params&, const Summary&, const PartitionT&) const {}

 private:
  __device__ const Op& self() const { return static_cast<const Op&>(*this); }
};

template <class Op>
using InputOf = typename Op::Input;
// Elements of a vector: as many of the widest type as one access can carry.
template <class Op>
inline constexpr int kWidthOf = elements_per_access(Op::kElementBytes);

template <class Summary>
concept RowSummary =
    std::is_trivially_copyable_v<Summary> && requires(const Summary& a, const LogicalWarp& warp) {
      { Summary::identity() } -> std::same_as<Summary>;
      { Summary::warp_reduce(a, warp) } -> std::same_as<Summary>;
      { a + a } -> std::same_as<Summary>;
    };

//   kElementBytes         of the widest type that each element brings with it
//   kMaxVectorsPerThread  vectors of each input that a thread can hold without spilling: 4 or 8
//   layouts()             of its matrices: the inputs, then the output if it writes one
//   row_at(r)             a row's pointers, also where there is no such row
//   identity()            an element that changes no summary
template <class Op>
concept RowOp =
    RowSummary<typename Op::Summary> &&
    requires(const Op& op, const typename Op::Row& row, typename Op::Summary& summary,
             const typename Op::Params& params, typename Op::template Fragment<2, kWidthOf<Op>>& fragment,
             const Vector<InputOf<Op>, kWidthOf<Op>> (&in)[Op::kInputs][2],
             const Tile<kWidthOf<Op>, int>& tile, const Partition<kWidthOf<Op>>& partition,
             const LogicalWarp& warp) {
      { op.rows() } -> std::same_as<std::int64_t>;
      { op.cols() } -> std::same_as<std::int64_t>;
      { op.writes() } -> std::same_as<bool>;
      { alignment_of(op.layouts()) } -> std::same_as<RowAlignment>;
      { Op::identity() } -> std::same_as<InputOf<Op>>;
      { op.row_at(std::int64_t{}) } -> std::same_as<typename Op::Row>;
      { op.prologue(std::int64_t{}, warp) } -> std::same_as<typename Op::Row>;
      { op.accumulate(summary, in, tile) } -> std::same_as<void>;
      { op.reduce(in, fragment, tile, warp) } -> std::same_as<typename Op::Summary>;
      { op.finalize(row, summary, summary, partition) } -> std::same_as<typename Op::Params>;
      { op.apply(params, in, fragment, 0, tile) } -> std::same_as<Vector<typename Op::Output, kWidthOf<Op>>>;
      { op.apply(params, in, 0, tile) } -> std::same_as<Vector<typename Op::Output, kWidthOf<Op>>>;
      { op.epilogue(row, params, summary, partition) } -> std::same_as<void>;
    };

// The row's partition, from the first input's last boundary of a vector on.
template <class Op, class Row>
__device__ Partition<kWidthOf<Op>> partition_of(const Op& op, const Row& row, const ThreadGroup& group,
                                                bool vectorized) {
  return {.cols = op.cols(),
          .rank = group.rank,
          .threads = group.threads,
          .head = vectorized ? elements_past_boundary<kWidthOf<Op>>(row.inputs[0]) : 0,
          .vectorized = vectorized};
}

// The tile, or an empty one where the row is not read.
template <class TileT>
__device__ TileT tile_to_load(TileT tile, bool reads) {
  if (!reads) tile.left = 0;
  return tile;
}

}  // namespace softwarp
