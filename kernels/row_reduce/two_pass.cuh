#pragma once

// Streamed: a few vectors at a time, forwards to sum up, then backwards to write, so that what is read again
// is what was read last. Each thread's first `cached` vectors wait in shared memory instead.

#include <algorithm>

#include "kernels/row_reduce/row_op.cuh"

namespace softwarp {

extern __shared__ float4 dynamic_shared[];

enum class TwoPassStage { both, reduce, finalize };
// Loads in flight: 64 bytes a thread, in at most four of each input; and how many of these vectors are then
// computed with at a time, which is what 64 bytes of the accumulator's type hold.
template <class Op, class T>
inline constexpr int kVectorsIn64Bytes = 64 / (Op::kReads * kWidthOf<Op> * static_cast<int>(sizeof(T)));
template <class Op>
inline constexpr int kVectorsInFlight = std::min(4, kVectorsIn64Bytes<Op, InputOf<Op>>);
template <class Op>
inline constexpr int kVectorsAtOnce =
    std::min(kVectorsInFlight<Op>, kVectorsIn64Bytes<Op, Accumulate<InputOf<Op>>>);

// Where a thread keeps vector i of an input.
template <class T, int kWidth>
__device__ Vector<T, kWidth>& cached_vector(const RowGeometry& geometry, int input, std::int64_t i) {
  const int place = (input * geometry.cached + static_cast<int>(i)) * static_cast<int>(blockDim.x);
  return reinterpret_cast<Vector<T, kWidth>*>(dynamic_shared)[place + static_cast<int>(threadIdx.x)];
}

template <class Op, class Row, class PartitionT>
__device__ typename Op::Summary reduce_pass(const Op& op, const Row& row, const PartitionT& partition,
                                            const RowGeometry& geometry) {
  using T = InputOf<Op>;
  constexpr int kWidth = kWidthOf<Op>, kPart = kVectorsAtOnce<Op>;
  Vector<T, kWidth> in[Op::kInputs][kVectorsInFlight<Op>];
  auto summary = Op::Summary::identity();
#pragma unroll 1
  for (std::int64_t first = 0; first < geometry.vectors; first += kVectorsInFlight<Op>) {
    const auto tile = partition.template tile<std::int64_t>(first);
#pragma unroll
    for (int n = 0; n < Op::kInputs; ++n) {
      load_vectors(row.inputs[n], tile_to_load(tile, row.reads), op.identity(), in[n]);
#pragma unroll
      for (int i = 0; i < kVectorsInFlight<Op>; ++i)
        if (first + i < geometry.cached) cached_vector<T, kWidth>(geometry, n, first + i) = in[n][i];
    }
#pragma unroll
    for (int part = 0; part < kVectorsInFlight<Op>; part += kPart) {
      Vector<T, kWidth> some[Op::kInputs][kPart];
#pragma unroll
      for (int n = 0; n < Op::kInputs; ++n)
#pragma unroll
        for (int i = 0; i < kPart; ++i) some[n][i] = in[n][part + i];
      op.accumulate(summary, some, tile.from(part));
    }
  }
  return summary;
}

template <class Op, class Row, class PartitionT, class Params>
__device__ void apply_pass(const Op& op, const Row& row, const PartitionT& partition,
                           const RowGeometry& geometry, const Params& params) {
  using T = InputOf<Op>;
  constexpr int kWidth = kWidthOf<Op>;
  const std::int64_t vectors = geometry.vectors, cached = geometry.cached;
  Vector<T, kWidth> in[Op::kInputs][kVectorsInFlight<Op>];
#pragma unroll 1
  for (std::int64_t first = cached + (vectors - 1 - cached) / kVectorsInFlight<Op> * kVectorsInFlight<Op>;
       first >= cached && first < vectors; first -= kVectorsInFlight<Op>) {
    const auto tile = partition.template tile<std::int64_t>(first);
#pragma unroll
    for (int n = 0; n < Op::kInputs; ++n)
      load_vectors(row.inputs[n], tile_to_load(tile, row.reads), op.identity(), in[n]);
    store_vectors<kVectorsInFlight<Op>>([&](int i) { return op.apply(params, in, i, tile); }, row.output,
                                        tile);
  }
#pragma unroll 1
  for (std::int64_t i = cached - 1; i >= 0; --i) {
    const auto tile = partition.template tile<std::int64_t>(i);
#pragma unroll
    for (int n = 0; n < Op::kInputs; ++n) in[n][0] = cached_vector<T, kWidth>(geometry, n, i);
    store_vectors<1>([&](int) { return op.apply(params, in, 0, tile); }, row.output, tile);
  }
}

// `slices` holds a summary for each block of a row that is split over several: one launch summarizes, another
// finishes.
template <class Op>
__global__ void __launch_bounds__(kMaxThreads, 1)
    two_pass_rows_kernel(const Op op, const RowGeometry geometry, const TwoPassStage stage,
                         typename Op::Summary* slices) {
  ThreadGroup group(geometry);
  pdl_wait();
  const auto row = op.prologue(group.row, group.warp);
  const auto partition = partition_of(op, row, group, geometry.vectorized);
  auto row_summary = Op::Summary::identity();
  if (stage != TwoPassStage::finalize)
    row_summary =
        group.all_reduce(Op::Summary::warp_reduce(reduce_pass(op, row, partition, geometry), group.warp));
  if (stage == TwoPassStage::reduce) {
    if (threadIdx.x == 0) store_words(row_summary, slices + static_cast<std::int64_t>(blockIdx.x));
    return;
  }
  if (stage == TwoPassStage::finalize) {
    for (int i = static_cast<int>(threadIdx.x) % kWarpLanes; i < geometry.slices; i += kWarpLanes)
      row_summary = row_summary + load_words(slices + group.row * geometry.slices + i);
    row_summary = Op::Summary::warp_reduce(row_summary, group.warp);
  }
  const auto params = op.finalize(row, row_summary, row_summary, partition);
  if (row.writes) apply_pass(op, row, partition, geometry, params);
  op.epilogue(row, params, row_summary, partition);
  group.exit();
}

}  // namespace softwarp
