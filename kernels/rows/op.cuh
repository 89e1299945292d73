#pragma once

// The kernels of this folder reduce each row of a matrix and write a row that depends on the result. What is
// computed is an op, a struct of device functions; how a row gets to threads and back is the kernels'
// business:
//
//   Input, Output        the matrices' element types; kInputs of them are read
//   kElementBytes        of the widest type that each element brings with it
//   kHeld                vectors of each that a thread can hold without spilling, 4 or 8
//   kReads               vectors read for each that is written: the inputs' and, say, weights
//   Summary              what must be known of a row: neutral(), across(part, lanes), a + b
//   Kept<n, width>       what a thread keeps of n vectors beside the inputs themselves
//   open(row, lanes)     -> Row: inputs[], output, and whether they are read and written
//   fill()               an element that changes nothing
//   take(in, kept, window, lanes)          -> Summary of what the lanes have, each element once
//   add(summary, in, window)               the same for one thread and a few vectors of many
//   finish(row, of_lanes, of_row, share)   -> Finish: the row's constants
//   from_kept(finish, in, kept, i, window) -> vector i of the result
//   from_input(finish, in, i, window)      -> the same, of vectors that were read again
//   close(row, finish, of_row, share)      what is left to do when a block has written its rows

#include "kernels/dependency.cuh"
#include "kernels/rows/access.cuh"

namespace softwarp {

template <class Op>
using InputOf = typename Op::Input;
// Elements of a vector: as many of the wider type as one access can carry.
template <class Op>
inline constexpr int kWidthOf = elements_per_access(Op::kElementBytes);

// A row's share, from the first input's last border of a vector on.
template <class Op, class Row>
__device__ RowShare<kWidthOf<Op>> share_of(const Op& op, const Row& row, const RowTeam& team, bool wide) {
  return {.cols = op.cols(),
          .rank = team.rank,
          .threads = team.threads,
          .head = wide ? elements_past_border<kWidthOf<Op>>(row.inputs[0]) : 0,
          .wide = wide};
}

// Of a row that is not read, nothing.
template <class Window>
__device__ Window window_to_read(Window window, bool reads) {
  if (!reads) window.left = 0;
  return window;
}

}  // namespace softwarp
