#pragma once

// The kernels of this folder reduce each row of a matrix and write a row that depends on the result. What is
// computed is an op, a struct of device functions; how a row gets to threads and back is the kernels'
// business:
//
//   Input, Output        the matrices' element types; kInputs of them are read
//   kElementBytes        of the widest type that each element brings with it
//   kMaxVectorsPerThread                vectors of each that a thread can hold without spilling, 4 or 8
//   kReads               vectors read for each that is written: the inputs' and, say, weights
//   Summary              what must be known of a row: identity(), warp_reduce(part, warp), a + b
//   Fragment<n, width>       what a thread keeps of n vectors beside the inputs themselves
//   open(row, warp)     -> Row: inputs[], output, and whether they are read and written
//   identity()               an element that changes nothing
//   take(in, fragment, tile, warp)          -> Summary of what the lanes have, each element once
//   accumulate(summary, in, tile)               the same for one thread and a few vectors of many
//   finish(row, lane_summary, row_summary, partition)   -> Params: the row's constants
//   apply(params, in, fragment, i, tile) -> vector i of the result
//   apply(params, in, i, tile)      -> the same, of vectors that were read again
//   close(row, params, row_summary, partition)      what is left to do when a block has written its rows

#include "kernels/primitives/pdl.cuh"
#include "kernels/row_reduce/tile.cuh"

namespace softwarp {

template <class Op>
using InputOf = typename Op::Input;
// Elements of a vector: as many of the wider type as one access can carry.
template <class Op>
inline constexpr int kWidthOf = elements_per_access(Op::kElementBytes);

// A row's share, from the first input's last border of a vector on.
template <class Op, class Row>
__device__ Partition<kWidthOf<Op>> partition_of(const Op& op, const Row& row, const ThreadGroup& group,
                                                bool vectorized) {
  return {.cols = op.cols(),
          .rank = group.rank,
          .threads = group.threads,
          .head = vectorized ? elements_past_boundary<kWidthOf<Op>>(row.inputs[0]) : 0,
          .vectorized = vectorized};
}

// Of a row that is not read, nothing.
template <class TileT>
__device__ TileT tile_to_load(TileT tile, bool reads) {
  if (!reads) tile.left = 0;
  return tile;
}

}  // namespace softwarp
