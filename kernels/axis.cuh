#pragma once

// Reduces the middle dimension of a packed tensor with the ops of row_reduce/row_op.cuh. Threads that are
// neighbours read elements that are neighbours, 16 bytes each where the inner dimension allows it; a thread
// thus has several columns, and a part of each.

#include "kernels/axis.h"
#include "kernels/primitives/launch.h"
#include "kernels/primitives/memory.cuh"
#include "kernels/primitives/reduce.cuh"
#include "kernels/row_reduce/row_op.cuh"

namespace softwarp {

extern __shared__ float4 dynamic_shared[];

struct AxisGeometry {
  std::int64_t cols;
  std::int64_t inner;
  std::int64_t groups;  // of neighbours, in the whole tensor
  int lanes;
};

// The columns of a thread, and their place in memory.
template <int kWidth>
struct AxisPartition {
  int lane;    // which group of the block's
  int sharer;  // which of the threads that share it
  int sharers;
  std::int64_t cols;  // 0 where there is no such group
  std::int64_t inner;
  std::int64_t first;  // element of the group's first row

  __device__ explicit AxisPartition(const AxisGeometry& g) {
    const int thread = static_cast<int>(threadIdx.x);
    lane = thread % g.lanes;
    sharer = thread / g.lanes;
    sharers = static_cast<int>(blockDim.x) / g.lanes;
    const std::int64_t group = static_cast<std::int64_t>(blockIdx.x) * g.lanes + lane;
    const std::int64_t groups_of_outer = g.inner / kWidth;
    cols = group < g.groups ? g.cols : 0;
    inner = g.inner;
    first = group / groups_of_outer * g.cols * g.inner + group % groups_of_outer * kWidth;
  }
  __device__ std::int64_t row(std::int64_t i) const { return i * sharers + sharer; }
  __device__ std::int64_t element(std::int64_t i) const { return first + row(i) * inner; }
};

// The lanes of a warp that share a group.
__device__ inline LogicalWarp group_warp(int lanes) {
  return lanes < kWarpLanes ? LogicalWarp{kWarpLanes, lanes} : LogicalWarp{1};
}

// Summaries of a group's columns, from those of the lanes that share it to that of all its threads.
template <int kWidth, class Summary>
__device__ void block_reduce_groups(const AxisGeometry& g, Summary (&summary)[kWidth]) {
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int lanes =
      g.lanes < kWarpLanes ? g.lanes : kWarpLanes;  // of a warp, that have a summary of their own
  const int parts = threads / kWarpLanes * lanes / g.lanes;
  if (parts == 1) return;
  auto* const shared = reinterpret_cast<Summary*>(dynamic_shared);
  const int part = thread / kWarpLanes * lanes / g.lanes, columns = g.lanes * kWidth;
  const int first = thread % g.lanes * kWidth;
  if (thread % kWarpLanes < lanes)
    for (int w = 0; w < kWidth; ++w) shared[part * columns + first + w] = summary[w];
  __syncthreads();
  for (int column = thread; column < columns; column += threads) {
    Summary all = shared[column];
    for (int i = 1; i < parts; ++i) all = all + shared[i * columns + column];
    shared[column] = all;
  }
  __syncthreads();
#pragma unroll
  for (int w = 0; w < kWidth; ++w) summary[w] = shared[first + w];
}

// Element w of each vector.
template <int kInputs, int kVectors, int kWidth, class T>
__device__ __forceinline__ void column_of(const Vector<T, kWidth> (&in)[kInputs][kVectors], int w,
                                          Vector<T, 1> (&column)[kInputs][kVectors]) {
#pragma unroll
  for (int n = 0; n < kInputs; ++n)
#pragma unroll
    for (int i = 0; i < kVectors; ++i) column[n][i].v[0] = in[n][i].v[w];
}

template <int kWidth, int kVectors, class Op>
__device__ __forceinline__ void load_axis(const Op& op, const AxisPartition<kWidth>& partition,
                                          std::int64_t begin,
                                          Vector<InputOf<Op>, kWidth> (&in)[Op::kInputs][kVectors]) {
  const auto row = op.row_at(0);
#pragma unroll
  for (int n = 0; n < Op::kInputs; ++n)
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
      in[n][i] = partition.row(begin + i) < partition.cols
                     ? load<kWidth>(row.inputs[n] + partition.element(begin + i))
                     : filled_with<kWidth>(op.identity());
}

template <class Op, int kWidth>
__global__ void __launch_bounds__(512, 1) register_axis_kernel(const Op op, const AxisGeometry geometry) {
  constexpr int kVectors = axis_vectors_per_thread(kWidth, Op::kInputs);
  const AxisPartition<kWidth> partition(geometry);
  pdl_wait();
  const auto row = op.row_at(0);
  Vector<InputOf<Op>, kWidth> in[Op::kInputs][kVectors];
  Vector<InputOf<Op>, 1> column[Op::kInputs][kVectors];
  load_axis(op, partition, 0, in);
  typename Op::template Fragment<kVectors, 1> fragment[kWidth];
  typename Op::Summary lane_summary[kWidth], column_summary[kWidth];
#pragma unroll
  for (int w = 0; w < kWidth; ++w) {
    column_of(in, w, column);
    column_summary[w] = lane_summary[w] = op.reduce(column, fragment[w], 0, group_warp(geometry.lanes));
  }
  block_reduce_groups(geometry, column_summary);
  typename Op::Params params[kWidth];
#pragma unroll
  for (int w = 0; w < kWidth; ++w) params[w] = op.finalize(row, lane_summary[w], column_summary[w], 0);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (partition.row(i) >= partition.cols) continue;
    Vector<typename Op::Output, kWidth> out;
#pragma unroll
    for (int w = 0; w < kWidth; ++w) {
      column_of(in, w, column);
      out.v[w] = op.apply(params[w], column, fragment[w], i, 0).v[0];
    }
    store(out, row.output + partition.element(i));
  }
}

template <class Op, int kWidth>
__global__ void __launch_bounds__(512, 1) two_pass_axis_kernel(const Op op, const AxisGeometry geometry) {
  constexpr int kVectors = 4 / Op::kInputs;
  const AxisPartition<kWidth> partition(geometry);
  pdl_wait();
  const auto row = op.row_at(0);
  Vector<InputOf<Op>, kWidth> in[Op::kInputs][kVectors];
  Vector<InputOf<Op>, 1> column[Op::kInputs][kVectors];
  typename Op::Summary summary[kWidth];
#pragma unroll
  for (int w = 0; w < kWidth; ++w) summary[w] = Op::Summary::identity();
  const std::int64_t accesses = blocks_for(geometry.cols, partition.sharers);
  for (std::int64_t first = 0; first < accesses; first += kVectors) {
    load_axis(op, partition, first, in);
#pragma unroll
    for (int w = 0; w < kWidth; ++w) {
      column_of(in, w, column);
      op.accumulate(summary[w], column, 0);
    }
  }
#pragma unroll
  for (int w = 0; w < kWidth; ++w)
    summary[w] = Op::Summary::warp_reduce(summary[w], group_warp(geometry.lanes));
  block_reduce_groups(geometry, summary);
  typename Op::Params params[kWidth];
#pragma unroll
  for (int w = 0; w < kWidth; ++w) params[w] = op.finalize(row, summary[w], summary[w], 0);
  for (std::int64_t first = (accesses - 1) / kVectors * kVectors; first >= 0; first -= kVectors) {
    load_axis(op, partition, first, in);
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      if (partition.row(first + i) >= partition.cols) continue;
      Vector<typename Op::Output, kWidth> out;
#pragma unroll
      for (int w = 0; w < kWidth; ++w) {
        column_of(in, w, column);
        out.v[w] = op.apply(params[w], column, i, 0).v[0];
      }
      store(out, row.output + partition.element(first + i));
    }
  }
}

template <int kWidth, class Op>
void launch_axis_plan(const Op& op, const AxisPlan& plan, const AxisGeometry& geometry, cudaStream_t stream) {
  const int parts = plan.lanes < kWarpLanes ? plan.threads / kWarpLanes : plan.threads / plan.lanes;
  const LaunchOn on{.grid = blocks_for(geometry.groups, plan.lanes),
                    .block = plan.threads,
                    .shared_bytes = parts == 1 ? 0
                                               : static_cast<std::size_t>(parts * plan.lanes * kWidth) *
                                                     sizeof(typename Op::Summary),
                    .stream = stream};
  plan.in_registers ? launch(on, register_axis_kernel<Op, kWidth>, op, geometry)
                    : launch(on, two_pass_axis_kernel<Op, kWidth>, op, geometry);
}

// The op's matrices begin where the tensors do. `aligned`: all of them at boundaries of 16 bytes.
template <class Op>
void launch_axis(const Op& op, std::int64_t outer, std::int64_t cols, std::int64_t inner, bool aligned,
                 cudaStream_t stream) {
  constexpr int kWidth = kWidthOf<Op>;
  const bool vectorized = aligned && inner % kWidth == 0;
  const AxisPlan plan = plan_axis(cols, sizeof(InputOf<Op>), Op::kInputs, vectorized);
  const AxisGeometry geometry{
      .cols = cols, .inner = inner, .groups = outer * (inner / plan.width), .lanes = plan.lanes};
  vectorized ? launch_axis_plan<kWidth>(op, plan, geometry, stream)
             : launch_axis_plan<1>(op, plan, geometry, stream);
}

}  // namespace softwarp
