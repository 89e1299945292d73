#pragma once

// Streamed: a few vectors at a time, forwards to sum up, then backwards to write, so that what is read again
// is what was read last. Each thread's first `cached` vectors wait in shared memory instead.

#include <algorithm>

#include "kernels/rows/op.cuh"

namespace softwarp {

extern __shared__ float4 dynamic_shared[];

enum class StreamPart { both, summarize, finish };
// Loads in flight: 64 bytes a thread, in at most four of each input; and how many of these vectors are then
// computed with at a time, which is what 64 bytes of the accumulator's type hold.
template <class Op, class T>
inline constexpr int kVectorsIn64Bytes = 64 / (Op::kReads * kWidthOf<Op> * static_cast<int>(sizeof(T)));
template <class Op>
inline constexpr int kStreamed = std::min(4, kVectorsIn64Bytes<Op, InputOf<Op>>);
template <class Op>
inline constexpr int kAddedAtOnce = std::min(kStreamed<Op>, kVectorsIn64Bytes<Op, Accumulate<InputOf<Op>>>);

// Where a thread keeps vector i of an input.
template <class T, int kWidth>
__device__ Vector<T, kWidth>& cached_vector(const RowGeometry& geometry, int input, std::int64_t i) {
  const int place = (input * geometry.cached + static_cast<int>(i)) * static_cast<int>(blockDim.x);
  return reinterpret_cast<Vector<T, kWidth>*>(dynamic_shared)[place + static_cast<int>(threadIdx.x)];
}

template <class Op, class Row, class Share>
__device__ typename Op::Summary stream_summary(const Op& op, const Row& row, const Share& share,
                                               const RowGeometry& geometry) {
  using T = InputOf<Op>;
  constexpr int kWidth = kWidthOf<Op>, kPart = kAddedAtOnce<Op>;
  Vector<T, kWidth> in[Op::kInputs][kStreamed<Op>];
  auto summary = Op::Summary::neutral();
#pragma unroll 1
  for (std::int64_t first = 0; first < geometry.vectors; first += kStreamed<Op>) {
    const auto window = share.template window<std::int64_t>(first);
#pragma unroll
    for (int n = 0; n < Op::kInputs; ++n) {
      load_vectors(row.inputs[n], window_to_read(window, row.reads), op.fill(), in[n]);
#pragma unroll
      for (int i = 0; i < kStreamed<Op>; ++i)
        if (first + i < geometry.cached) cached_vector<T, kWidth>(geometry, n, first + i) = in[n][i];
    }
#pragma unroll
    for (int part = 0; part < kStreamed<Op>; part += kPart) {
      Vector<T, kWidth> some[Op::kInputs][kPart];
#pragma unroll
      for (int n = 0; n < Op::kInputs; ++n)
#pragma unroll
        for (int i = 0; i < kPart; ++i) some[n][i] = in[n][part + i];
      op.add(summary, some, window.from(part));
    }
  }
  return summary;
}

template <class Op, class Row, class Share, class Finish>
__device__ void stream_result(const Op& op, const Row& row, const Share& share, const RowGeometry& geometry,
                              const Finish& finish) {
  using T = InputOf<Op>;
  constexpr int kWidth = kWidthOf<Op>;
  const std::int64_t vectors = geometry.vectors, cached = geometry.cached;
  Vector<T, kWidth> in[Op::kInputs][kStreamed<Op>];
#pragma unroll 1
  for (std::int64_t first = cached + (vectors - 1 - cached) / kStreamed<Op> * kStreamed<Op>;
       first >= cached && first < vectors; first -= kStreamed<Op>) {
    const auto window = share.template window<std::int64_t>(first);
#pragma unroll
    for (int n = 0; n < Op::kInputs; ++n)
      load_vectors(row.inputs[n], window_to_read(window, row.reads), op.fill(), in[n]);
    store_vectors<kStreamed<Op>>([&](int i) { return op.from_input(finish, in, i, window); }, row.output,
                                 window);
  }
#pragma unroll 1
  for (std::int64_t i = cached - 1; i >= 0; --i) {
    const auto window = share.template window<std::int64_t>(i);
#pragma unroll
    for (int n = 0; n < Op::kInputs; ++n) in[n][0] = cached_vector<T, kWidth>(geometry, n, i);
    store_vectors<1>([&](int) { return op.from_input(finish, in, 0, window); }, row.output, window);
  }
}

// `slices` holds a summary for each block of a row that is split over several: one launch summarizes, another
// finishes.
template <class Op>
__global__ void __launch_bounds__(kMostThreads, 1)
    streamed_rows_kernel(const Op op, const RowGeometry geometry, const StreamPart part,
                         typename Op::Summary* slices) {
  RowTeam team(geometry);
  wait_for_earlier_kernels();
  const auto row = op.open(team.row, team.lanes);
  const auto share = share_of(op, row, team, geometry.wide);
  auto of_row = Op::Summary::neutral();
  if (part != StreamPart::finish)
    of_row = team.join(Op::Summary::across(stream_summary(op, row, share, geometry), team.lanes));
  if (part == StreamPart::summarize) {
    if (threadIdx.x == 0) store_words(of_row, slices + static_cast<std::int64_t>(blockIdx.x));
    return;
  }
  if (part == StreamPart::finish) {
    for (int i = static_cast<int>(threadIdx.x) % kWarpLanes; i < geometry.slices; i += kWarpLanes)
      of_row = of_row + load_words(slices + team.row * geometry.slices + i);
    of_row = Op::Summary::across(of_row, team.lanes);
  }
  const auto finish = op.finish(row, of_row, of_row, share);
  if (row.writes) stream_result(op, row, share, geometry, finish);
  op.close(row, finish, of_row, share);
  team.leave();
}

}  // namespace softwarp
