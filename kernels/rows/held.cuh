#pragma once

// Held: the whole row is in its owners' registers between one read and one write.

#include "kernels/rows/op.cuh"

namespace softwarp {

template <class Op, int kVectors>
__global__ void __launch_bounds__(kMostThreads, 1) held_rows_kernel(const Op op, const RowGeometry geometry) {
  RowTeam team(geometry);
  const auto row = op.open(team.row, team.lanes);
  const auto share = share_of<int>(op, row, team, geometry.wide);
  const auto to_read = share_to_read(share, row.reads);

  Vector<InputOf<Op>, kWidthOf<Op>> in[Op::kInputs][kVectors];
#pragma unroll
  for (int n = 0; n < Op::kInputs; ++n) load_vectors(row.inputs[n], to_read, 0, op.fill(), in[n]);
  typename Op::template Kept<kVectors, kWidthOf<Op>> kept;
  const auto of_lanes = op.take(in, kept, share, team.lanes);
  const auto of_row = team.join(of_lanes);
  const auto finish = op.finish(row, of_lanes, of_row, share);
  if (row.writes) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
      store_vector(op.from_kept(finish, in, kept, i, share), row.output, share, i);
  }
  op.close(row, finish, of_row, share);
  team.leave();
}

}  // namespace softwarp
