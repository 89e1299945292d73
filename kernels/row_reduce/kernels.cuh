#pragma once

// The kernels of the three forms of a plan.
//
//   registers  the whole row is in its owners' registers between one read and one write
//   packed     rows without gaps that begin anywhere: a block takes some of them as one piece of memory, 16
//              bytes at a time, whatever their length; lanes find their rows in shared memory
//   two_pass   a few vectors at a time, forwards to reduce, then backwards to apply, so that the vectors read
//              last are read again first; each thread's first `cached` vectors wait in shared memory instead

#include <algorithm>

#include "kernels/primitives/memory.cuh"
#include "kernels/row_reduce/row_op.cuh"

namespace softwarp {

extern __shared__ float4 dynamic_shared[];

// If a thread has few vectors, two blocks of 512 threads must fit: 64 registers each.
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

// Copies `size` elements to shared memory, where they keep their distance from a boundary, which it returns.
// Two loads a thread are in flight.
template <class T>
__device__ int fetch(const T* from, int size, T* to) {
  constexpr int kWidth = elements_per_access(sizeof(T));
  const int head = elements_past_boundary<kWidth>(from), step = static_cast<int>(blockDim.x) * kWidth;
  for (int at = static_cast<int>(threadIdx.x) * kWidth; at < head + size; at += 2 * step) {
    Vector<T, kWidth> v{}, next{};
    load_partial<kWidth>(from, at - head, size, v.v);
    load_partial<kWidth>(from, at + step - head, size, next.v);
    reinterpret_cast<Vector<T, kWidth>&>(to[at]) = v;
    if (at + step < head + size) reinterpret_cast<Vector<T, kWidth>&>(to[at + step]) = next;
  }
  return head;
}

// The way back, from `head` on.
template <class U>
__device__ void put(const U* from, int head, int size, U* to) {
  constexpr int kWidth = elements_per_access(sizeof(U));
  for (int at = static_cast<int>(threadIdx.x) * kWidth; at < head + size;
       at += static_cast<int>(blockDim.x) * kWidth)
    store_partial<kWidth>(from + at, to, at - head, size);
}

template <class Op>
__global__ void __launch_bounds__(kPackedThreads, 7)
    packed_rows_kernel(const Op op, const RowGeometry geometry) {
  using T = InputOf<Op>;
  using U = typename Op::Output;
  constexpr int kElements = packed_elements(Op::kElementBytes);
  const ThreadGroup group(geometry);
  pdl_wait();
  const int cols = static_cast<int>(op.cols());
  const int most = static_cast<int>(blockDim.x) / geometry.threads_per_row;
  const auto first_row = static_cast<std::int64_t>(blockIdx.x) * most;
  const int rows = static_cast<int>(op.rows() - first_row < most ? op.rows() - first_row : most);
  const auto block = op.row_at(first_row);
  const int region = packed_region(most * cols, sizeof(T));
  T* const staged = reinterpret_cast<T*>(dynamic_shared);
  U* const staged_out = reinterpret_cast<U*>(staged + Op::kInputs * region);
  const int mine = static_cast<int>(threadIdx.x) / geometry.threads_per_row * cols;

  int heads[Op::kInputs];
#pragma unroll
  for (int n = 0; n < Op::kInputs; ++n) heads[n] = fetch(block.inputs[n], rows * cols, staged + n * region);
  __syncthreads();

  const auto row = op.prologue(group.row, group.warp);
  const Partition<1> partition{
      .cols = cols, .rank = group.rank, .threads = group.threads, .head = 0, .vectorized = false};
  const auto tile = partition.tile<int>(0);
  Vector<T, 1> in[Op::kInputs][kElements];
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    const bool inside = row.reads && tile.inside(i, 0);
#pragma unroll
    for (int n = 0; n < Op::kInputs; ++n)
      in[n][i].v[0] = inside ? staged[n * region + heads[n] + mine + tile.column(i, 0)] : op.identity();
  }
  typename Op::template Fragment<kElements, 1> fragment;
  const auto row_summary = op.reduce(in, fragment, tile, group.warp);
  const auto params = op.finalize(row, row_summary, row_summary, partition);
  const int head = op.writes() ? elements_past_boundary<elements_per_access(sizeof(U))>(block.output) : 0;
  if (row.writes) {
#pragma unroll
    for (int i = 0; i < kElements; ++i)
      if (tile.inside(i, 0))
        staged_out[head + mine + tile.column(i, 0)] = op.apply(params, in, fragment, i, tile).v[0];
  }
  op.epilogue(row, params, row_summary, partition);
  if (!op.writes()) return;
  __syncthreads();
  put(staged_out, head, rows * cols, block.output);
}

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

// The place in shared memory of a thread's vector i of an input.
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

// `slices` holds a summary for each block of a row that is split over several: one launch reduces, another
// finalizes.
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
