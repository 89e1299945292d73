#pragma once

// The kernels of this folder reduce each row of a matrix and write a row that depends on the result. What is
// computed is an op, a struct of device functions; how a row gets to threads and back is the kernels'
// business:
//
//   Input, Output        the matrices' element types; kInputs of them are read
//   kHeld                vectors of each that a thread can hold without spilling, 4 or 8
//   Summary              what must be known of a row: neutral(), across(part, lanes), a + b
//   Kept<n, width>       what a thread keeps of n vectors beside the inputs themselves
//   open(row, lanes)     -> Row: inputs[], output, and whether they are read and written
//   fill()               an element that changes nothing
//   take(in, kept, share, lanes)             -> Summary of what the lanes have, each element once
//   add(summary, in, share, first)           the same for one thread and a few vectors of many
//   finish(row, of_lanes, of_row, share)     -> Finish: the row's constants
//   from_kept(finish, in, kept, i, share)    -> vector i of the result
//   from_input(finish, in, i, vector, share) -> the same, of a vector that was read again
//   close(row, finish, of_row, share)        what is left to do when a block has written its rows

#include "kernels/rows/access.cuh"

namespace softwarp {

template <class Op>
using InputOf = typename Op::Input;
template <class Op>
inline constexpr int kBytesOf = static_cast<int>(
    sizeof(InputOf<Op>) > sizeof(typename Op::Output) ? sizeof(InputOf<Op>) : sizeof(typename Op::Output));
// Elements of a vector: as many of the wider type as one access can carry.
template <class Op>
inline constexpr int kWidthOf = elements_per_access(kBytesOf<Op>);

// A row's share, from the first input's last border of a vector on; of a row that is not read, nothing.
template <class Index, class Op, class Row>
__device__ RowShare<kWidthOf<Op>, Index> share_of(const Op& op, const Row& row, const RowTeam& team,
                                                  bool wide) {
  return {.cols = static_cast<Index>(op.cols()),
          .rank = team.rank,
          .threads = team.threads,
          .head = wide ? elements_past_border<kWidthOf<Op>>(row.inputs[0]) : 0,
          .wide = wide};
}
template <class Share>
__device__ Share share_to_read(Share share, bool reads) {
  if (!reads) share.cols = 0;
  return share;
}

}  // namespace softwarp
