#pragma once

// Held: the whole row is in its owners' registers between one read and one write.

#include "kernels/row_reduce/row_op.cuh"

namespace softwarp {

// Where a thread holds little, two blocks of 512 must fit: 64 registers each.
template <class Op, int kVectors>
inline constexpr int kRegisterBlocks =
    Op::kElementBytes < 8 && kVectors * kWidthOf<Op> * Op::kReads <= 16 ? 2 : 1;

template <class Op, int kVectors>
__global__ void __launch_bounds__(kMaxThreads, kRegisterBlocks<Op, kVectors>)
    register_rows_kernel(const Op op, const RowGeometry geometry) {
  ThreadGroup group(geometry);
  pdl_wait();
  const auto row = op.prologue(group.row, group.warp);
  const auto partition = partition_of(op, row, group, geometry.vectorized);
  const auto tile = partition.template tile<int>(0);
  const auto to_load = tile_to_load(tile, row.reads);

  Vector<InputOf<Op>, kWidthOf<Op>> in[Op::kInputs][kVectors];
#pragma unroll
  for (int n = 0; n < Op::kInputs; ++n) load_vectors(row.inputs[n], to_load, op.identity(), in[n]);
  typename Op::template Fragment<kVectors, kWidthOf<Op>> fragment;
  const auto lane_summary = op.reduce(in, fragment, tile, group.warp);
  const auto row_summary = group.all_reduce(lane_summary);
  const auto params = op.finalize(row, lane_summary, row_summary, partition);
  if (row.writes)
    store_vectors<kVectors>([&](int i) { return op.apply(params, in, fragment, i, tile); }, row.output, tile);
  op.epilogue(row, params, row_summary, partition);
  group.exit();
}

}  // namespace softwarp
