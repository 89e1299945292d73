#pragma once

// The host's side: from an op to its launch.
//
//   rows(), cols()   of the op
//   places()         where its matrices lie: the inputs, then the output if it writes one

#include <atomic>
#include <cstdint>

#include "kernels/launch.h"
#include "kernels/rows/flat.cuh"
#include "kernels/rows/held.cuh"
#include "kernels/rows/place.h"
#include "kernels/rows/streamed.cuh"
#include "kernels/split_scratch.h"

namespace softwarp {

template <class Op>
RowProblem problem_of(const Op& op) {
  const auto places = op.places();
  RowProblem problem{.cols = op.cols(),
                     .element_bytes = Op::kElementBytes,
                     .input_bytes = sizeof(InputOf<Op>),
                     .inputs = Op::kInputs,
                     .held = Op::kHeld,
                     .access = access_of(places)};
  for (const RowPlace& p : places) problem.packed = problem.packed && p.packed;
  return problem;
}

// Opts in to all the dynamic shared memory that the current device has for a block of this kernel; without
// that a launch gets 48 KiB less the kernel's static shared memory. Asks once for each device. Threads that
// ask at the same time set the same value, so none lowers another's.
template <class Kernel>
void allow_shared(Kernel* kernel, std::atomic<std::uint64_t>& asked_devices) {
  int device = 0, most = 0;
  check(cudaGetDevice(&device));
  const std::uint64_t bit = device < 64 ? std::uint64_t{1} << device : 0;
  if ((asked_devices & bit) != 0) return;
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, kernel));
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  most -= static_cast<int>(attributes.sharedSizeBytes);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
  asked_devices |= bit;
}

template <class Op>
std::size_t streamed_bytes(const RowPlan& plan) {
  constexpr std::size_t kVectorBytes = kWidthOf<Op> * sizeof(InputOf<Op>);
  return static_cast<std::size_t>(plan.cached * plan.threads * Op::kInputs) * kVectorBytes;
}

template <class Op>
void allow_streamed() {
  static std::atomic<std::uint64_t> asked_devices = 0;
  allow_shared(streamed_rows_kernel<Op>, asked_devices);
}

// True if the device can run the largest clusters of this op. A part of a GPU (MIG) may not, and some say so
// by an error; whatever else is wrong, the launch says. Asked once.
template <class Op>
[[nodiscard]] bool clusters_fit(RowForm form, const DeviceLimits& limits) {
  const auto fits = [](auto* kernel, std::size_t shared_bytes) {
    cudaLaunchAttribute cluster{};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = kMostCluster;
    cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(kMostCluster);
    config.blockDim = dim3(kMostThreads);
    config.dynamicSmemBytes = shared_bytes;
    config.attrs = &cluster;
    config.numAttrs = 1;
    int clusters = 0;
    if (cudaOccupancyMaxActiveClusters(&clusters, kernel, &config) == cudaSuccess) return clusters > 0;
    cudaGetLastError();  // an answer: it must not be said again to whoever asks next
    return false;
  };
  if (form == RowForm::held) {
    static const bool held = fits(held_rows_kernel<Op, Op::kHeld>, 0);
    return held;
  }
  static const bool streamed = [&] {
    allow_streamed<Op>();
    return fits(streamed_rows_kernel<Op>, limits.shared_bytes - kSharedReserve);
  }();
  return streamed;
}

template <class Op>
[[nodiscard]] RowPlan plan_of(const Op& op) {
  DeviceLimits limits = device_limits();
  const RowPlan plan = plan_rows(problem_of(op), limits);
  if (plan.cluster == 1 || clusters_fit<Op>(plan.form, limits)) return plan;
  limits.clusters = false;
  return plan_rows(problem_of(op), limits);
}

inline std::int64_t blocks_of(const RowPlan& plan, std::int64_t rows) {
  return blocks_for(rows, plan.rows_per_block()) * plan.cluster;
}

template <class Op>
void run_held(const Op& op, const RowPlan& plan, const RowGeometry& geometry, cudaStream_t stream) {
  const LaunchOn on{
      .grid = blocks_of(plan, op.rows()), .block = plan.threads, .cluster = plan.cluster, .stream = stream};
  switch (plan.vectors) {
    case 2: return launch(on, held_rows_kernel<Op, 2>, op, geometry);
    case 4: return launch(on, held_rows_kernel<Op, 4>, op, geometry);
    default: return launch(on, held_rows_kernel<Op, Op::kHeld>, op, geometry);
  }
}

template <class Op>
void run_flat(const Op& op, const RowPlan& plan, const RowGeometry& geometry, cudaStream_t stream) {
  const int elements = plan.rows_per_block() * static_cast<int>(op.cols());
  const auto in =
      static_cast<std::size_t>(Op::kInputs * flat_region<InputOf<Op>>(elements)) * sizeof(InputOf<Op>);
  const auto out =
      static_cast<std::size_t>(flat_region<typename Op::Output>(elements)) * sizeof(typename Op::Output);
  launch(LaunchOn{.grid = blocks_of(plan, op.rows()),
                  .block = plan.threads,
                  .shared_bytes = in + (op.writes() ? out : 0),
                  .stream = stream},
         flat_rows_kernel<Op>, op, geometry);
}

template <class Op>
void run_streamed(const Op& op, const RowPlan& plan, const RowGeometry& geometry, cudaStream_t stream) {
  const std::size_t bytes = streamed_bytes<Op>(plan);
  allow_streamed<Op>();
  launch(LaunchOn{.grid = blocks_of(plan, op.rows()),
                  .block = plan.threads,
                  .shared_bytes = bytes,
                  .cluster = plan.cluster,
                  .stream = stream},
         streamed_rows_kernel<Op>, op, geometry, StreamPart::both, nullptr);
}

template <class Op>
void run_split(const Op& op, const RowGeometry& geometry, void* slices, cudaStream_t stream) {
  const LaunchOn on{.grid = op.rows() * geometry.slices, .block = kMostThreads, .stream = stream};
  auto* summaries = static_cast<typename Op::Summary*>(slices);
  launch(on, streamed_rows_kernel<Op>, op, geometry, StreamPart::summarize, summaries);
  launch(on, streamed_rows_kernel<Op>, op, geometry, StreamPart::finish, summaries);
}

// Blocks that share a row where there is scratch for their summaries; 1: a row is not split.
template <class Op>
[[nodiscard]] int slices_of(const Op& op, std::size_t scratch_bytes) {
  const int slices = split_of(problem_of(op), op.rows(), device_limits());
  const std::size_t needed =
      static_cast<std::size_t>(slices) * static_cast<std::size_t>(op.rows()) * sizeof(typename Op::Summary);
  return needed <= scratch_bytes ? slices : 1;
}

template <class Op>
void run_rows(const Op& op, SplitScratch scratch, cudaStream_t stream) {
  if (op.rows() == 0) return;
  const RowProblem problem = problem_of(op);
  const bool wide = problem.access != RowAccess::narrow;
  const auto geometry_of = [&](int team, int cluster, int slices, int cached) {
    return RowGeometry{.team = team,
                       .cluster = cluster,
                       .slices = slices,
                       .wide = wide,
                       .cached = cached,
                       .vectors = blocks_for(vectors_of(problem), std::int64_t{team} * cluster * slices)};
  };
  if (const int slices = slices_of(op, scratch.bytes); slices > 1)
    return run_split(op, geometry_of(kMostThreads, 1, slices, 0), scratch.data, stream);
  const RowPlan plan = plan_of(op);
  const RowGeometry geometry = geometry_of(plan.team, plan.cluster, 1, plan.cached);
  switch (plan.form) {
    case RowForm::flat: return run_flat(op, plan, geometry, stream);
    case RowForm::held: return run_held(op, plan, geometry, stream);
    case RowForm::streamed: return run_streamed(op, plan, geometry, stream);
  }
}

}  // namespace softwarp
