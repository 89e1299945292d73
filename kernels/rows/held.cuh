#pragma once

// Held: the whole row is in its owners' registers between one read and one write.

#include "kernels/rows/op.cuh"

namespace softwarp {

// Where a thread holds little, two blocks of 512 must fit: 64 registers each.
template <class Op, int kVectors>
inline constexpr int kHeldBlocks =
    Op::kElementBytes < 8 && kVectors * kWidthOf<Op> * Op::kReads <= 16 ? 2 : 1;

template <class Op, int kVectors>
__global__ void __launch_bounds__(kMostThreads, kHeldBlocks<Op, kVectors>)
    held_rows_kernel(const Op op, const RowGeometry geometry) {
  RowTeam team(geometry);
  wait_for_earlier_kernels();
  const auto row = op.open(team.row, team.lanes);
  const auto share = share_of(op, row, team, geometry.wide);
  const auto window = share.template window<int>(0);
  const auto to_read = window_to_read(window, row.reads);

  Vector<InputOf<Op>, kWidthOf<Op>> in[Op::kInputs][kVectors];
#pragma unroll
  for (int n = 0; n < Op::kInputs; ++n) load_vectors(row.inputs[n], to_read, op.fill(), in[n]);
  typename Op::template Kept<kVectors, kWidthOf<Op>> kept;
  const auto of_lanes = op.take(in, kept, window, team.lanes);
  const auto of_row = team.join(of_lanes);
  const auto finish = op.finish(row, of_lanes, of_row, share);
  if (row.writes)
    store_vectors<kVectors>([&](int i) { return op.from_kept(finish, in, kept, i, window); }, row.output,
                            window);
  op.close(row, finish, of_row, share);
  team.leave();
}

}  // namespace softwarp
