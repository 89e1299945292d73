#pragma once

// Flat: rows that lie one behind the other and begin anywhere. A block takes some of them as one piece of
// memory, 16 bytes at a time, whatever their length; lanes find their rows in shared memory.

#include "kernels/row_reduce/row_op.cuh"

namespace softwarp {

extern __shared__ float4 dynamic_shared[];

template <class T>
SOFTWARP_HD constexpr int packed_region(int elements) {
  constexpr int kWidth = elements_per_access(sizeof(T));
  return static_cast<int>(blocks_for(elements, kWidth) + 1) * kWidth;
}

// Copies `size` elements to shared memory, where they keep their distance from a border, which it returns.
// Two loads a thread are under way at a time.
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
  const int region = packed_region<T>(most * cols);
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

}  // namespace softwarp
