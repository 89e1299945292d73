#pragma once

// Reduces the middle dimension of a packed tensor with the ops of rows/op.cuh. Threads that are neighbours
// read elements that are neighbours, 16 bytes each where the inner dimension allows it; a thread thus has
// several columns, and a part of each.

#include "kernels/launch.h"
#include "kernels/middle.h"
#include "kernels/rows/lanes.cuh"
#include "kernels/rows/op.cuh"
#include "kernels/vector.cuh"

namespace softwarp {

extern __shared__ float4 dynamic_shared[];

struct MiddleGeometry {
  std::int64_t cols;
  std::int64_t inner;
  std::int64_t groups;  // of neighbours, in the whole tensor
  int lanes;
};

// Where a thread is, and its place in memory.
template <int kWidth>
struct MiddleShare {
  int lane;    // which group of the block's
  int sharer;  // which of the threads that share it
  int sharers;
  std::int64_t cols;  // 0 where there is no such group
  std::int64_t inner;
  std::int64_t first;  // element of the group's first row

  __device__ explicit MiddleShare(const MiddleGeometry& g) {
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
__device__ inline Lanes sharing_lanes(int lanes) {
  return lanes < kWarpLanes ? Lanes{kWarpLanes, lanes} : Lanes{1};
}

// Summaries of a group's columns, from those of the lanes that share it to that of all its threads.
template <int kWidth, class Summary>
__device__ void join_sharers(const MiddleGeometry& g, Summary (&summary)[kWidth]) {
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
__device__ __forceinline__ void load_middle(const Op& op, const MiddleShare<kWidth>& share,
                                            std::int64_t begin,
                                            Vector<InputOf<Op>, kWidth> (&in)[Op::kInputs][kVectors]) {
  const auto place = op.place(0);
#pragma unroll
  for (int n = 0; n < Op::kInputs; ++n)
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
      in[n][i] = share.row(begin + i) < share.cols ? load<kWidth>(place.inputs[n] + share.element(begin + i))
                                                   : filled_with<kWidth>(op.fill());
}

template <class Op, int kWidth>
__global__ void __launch_bounds__(512, 1) held_middle_kernel(const Op op, const MiddleGeometry geometry) {
  constexpr int kVectors = middle_held(kWidth, Op::kInputs);
  const MiddleShare<kWidth> share(geometry);
  wait_for_earlier_kernels();
  const auto place = op.place(0);
  Vector<InputOf<Op>, kWidth> in[Op::kInputs][kVectors];
  Vector<InputOf<Op>, 1> column[Op::kInputs][kVectors];
  load_middle(op, share, 0, in);
  typename Op::template Kept<kVectors, 1> kept[kWidth];
  typename Op::Summary of_lanes[kWidth], of_column[kWidth];
#pragma unroll
  for (int w = 0; w < kWidth; ++w) {
    column_of(in, w, column);
    of_column[w] = of_lanes[w] = op.take(column, kept[w], 0, sharing_lanes(geometry.lanes));
  }
  join_sharers(geometry, of_column);
  typename Op::Finish finish[kWidth];
#pragma unroll
  for (int w = 0; w < kWidth; ++w) finish[w] = op.finish(place, of_lanes[w], of_column[w], 0);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (share.row(i) >= share.cols) continue;
    Vector<typename Op::Output, kWidth> out;
#pragma unroll
    for (int w = 0; w < kWidth; ++w) {
      column_of(in, w, column);
      out.v[w] = op.from_kept(finish[w], column, kept[w], i, 0).v[0];
    }
    store(out, place.output + share.element(i));
  }
}

template <class Op, int kWidth>
__global__ void __launch_bounds__(512, 1) streamed_middle_kernel(const Op op, const MiddleGeometry geometry) {
  constexpr int kVectors = 4 / Op::kInputs;
  const MiddleShare<kWidth> share(geometry);
  wait_for_earlier_kernels();
  const auto place = op.place(0);
  Vector<InputOf<Op>, kWidth> in[Op::kInputs][kVectors];
  Vector<InputOf<Op>, 1> column[Op::kInputs][kVectors];
  typename Op::Summary summary[kWidth];
#pragma unroll
  for (int w = 0; w < kWidth; ++w) summary[w] = Op::Summary::neutral();
  const std::int64_t accesses = blocks_for(geometry.cols, share.sharers);
  for (std::int64_t first = 0; first < accesses; first += kVectors) {
    load_middle(op, share, first, in);
#pragma unroll
    for (int w = 0; w < kWidth; ++w) {
      column_of(in, w, column);
      op.add(summary[w], column, 0);
    }
  }
#pragma unroll
  for (int w = 0; w < kWidth; ++w)
    summary[w] = Op::Summary::across(summary[w], sharing_lanes(geometry.lanes));
  join_sharers(geometry, summary);
  typename Op::Finish finish[kWidth];
#pragma unroll
  for (int w = 0; w < kWidth; ++w) finish[w] = op.finish(place, summary[w], summary[w], 0);
  for (std::int64_t first = (accesses - 1) / kVectors * kVectors; first >= 0; first -= kVectors) {
    load_middle(op, share, first, in);
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      if (share.row(first + i) >= share.cols) continue;
      Vector<typename Op::Output, kWidth> out;
#pragma unroll
      for (int w = 0; w < kWidth; ++w) {
        column_of(in, w, column);
        out.v[w] = op.from_input(finish[w], column, i, 0).v[0];
      }
      store(out, place.output + share.element(first + i));
    }
  }
}

template <int kWidth, class Op>
void run_middle_plan(const Op& op, const MiddlePlan& plan, const MiddleGeometry& geometry,
                     cudaStream_t stream) {
  const int parts = plan.lanes < kWarpLanes ? plan.threads / kWarpLanes : plan.threads / plan.lanes;
  const LaunchOn on{.grid = blocks_for(geometry.groups, plan.lanes),
                    .block = plan.threads,
                    .shared_bytes = parts == 1 ? 0
                                               : static_cast<std::size_t>(parts * plan.lanes * kWidth) *
                                                     sizeof(typename Op::Summary),
                    .stream = stream};
  plan.held ? launch(on, held_middle_kernel<Op, kWidth>, op, geometry)
            : launch(on, streamed_middle_kernel<Op, kWidth>, op, geometry);
}

// The op's matrices begin where the tensors do. `aligned`: all of them at borders of 16 bytes.
template <class Op>
void run_middle(const Op& op, std::int64_t outer, std::int64_t cols, std::int64_t inner, bool aligned,
                cudaStream_t stream) {
  constexpr int kWidth = kWidthOf<Op>;
  const bool wide = aligned && inner % kWidth == 0;
  const MiddlePlan plan = plan_middle(cols, sizeof(InputOf<Op>), Op::kInputs, wide);
  const MiddleGeometry geometry{
      .cols = cols, .inner = inner, .groups = outer * (inner / plan.width), .lanes = plan.lanes};
  wide ? run_middle_plan<kWidth>(op, plan, geometry, stream) : run_middle_plan<1>(op, plan, geometry, stream);
}

}  // namespace softwarp
