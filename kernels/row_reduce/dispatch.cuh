#pragma once

// The host's side: from an op to its launch.

#include <softwarp/workspace.h>

#include <atomic>
#include <cstdint>

#include "kernels/primitives/launch.h"
#include "kernels/row_reduce/kernels.cuh"
#include "kernels/row_reduce/plan.h"

namespace softwarp {

template <class Op>
RowProblem problem_of(const Op& op) {
  const auto layouts = op.layouts();
  RowProblem problem{.cols = op.cols(),
                     .element_bytes = Op::kElementBytes,
                     .input_bytes = sizeof(InputOf<Op>),
                     .inputs = Op::kInputs,
                     .max_vectors = Op::kMaxVectorsPerThread,
                     .access = alignment_of(layouts)};
  for (const RowLayout& p : layouts) problem.packed = problem.packed && p.packed;
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
std::size_t two_pass_bytes(const RowPlan& plan) {
  constexpr std::size_t kVectorBytes = kWidthOf<Op> * sizeof(InputOf<Op>);
  return static_cast<std::size_t>(plan.cached * plan.threads * Op::kInputs) * kVectorBytes;
}

template <class Op>
void allow_two_pass() {
  static std::atomic<std::uint64_t> asked_devices = 0;
  allow_shared(two_pass_rows_kernel<Op>, asked_devices);
}

// True if the device can run the largest clusters of this op. A part of a GPU (MIG) may not, and some say so
// by an error; whatever else is wrong, the launch says. Asked once.
template <class Op>
[[nodiscard]] bool clusters_fit(RowForm form, const DeviceLimits& limits) {
  const auto fits = [](auto* kernel, std::size_t shared_bytes) {
    cudaLaunchAttribute cluster{};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = kMaxClusterBlocks;
    cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(kMaxClusterBlocks);
    config.blockDim = dim3(kMaxThreads);
    config.dynamicSmemBytes = shared_bytes;
    config.attrs = &cluster;
    config.numAttrs = 1;
    int clusters = 0;
    if (cudaOccupancyMaxActiveClusters(&clusters, kernel, &config) == cudaSuccess) return clusters > 0;
    cudaGetLastError();  // an answer: it must not be said again to whoever asks next
    return false;
  };
  if (form == RowForm::registers) {
    static const bool fit = fits(register_rows_kernel<Op, Op::kMaxVectorsPerThread>, 0);
    return fit;
  }
  static const bool fit = [&] {
    allow_two_pass<Op>();
    return fits(two_pass_rows_kernel<Op>, limits.shared_bytes - kSharedReserve);
  }();
  return fit;
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
void launch_registers(const Op& op, const RowPlan& plan, const RowGeometry& geometry, cudaStream_t stream) {
  const LaunchOn on{
      .grid = blocks_of(plan, op.rows()), .block = plan.threads, .cluster = plan.cluster, .stream = stream};
  switch (plan.vectors) {
    case 2: return launch(on, register_rows_kernel<Op, 2>, op, geometry);
    case 4: return launch(on, register_rows_kernel<Op, 4>, op, geometry);
    default: return launch(on, register_rows_kernel<Op, Op::kMaxVectorsPerThread>, op, geometry);
  }
}

template <class Op>
void launch_packed(const Op& op, const RowPlan& plan, const RowGeometry& geometry, cudaStream_t stream) {
  const int elements = plan.rows_per_block() * static_cast<int>(op.cols());
  const auto in =
      static_cast<std::size_t>(Op::kInputs * packed_region<InputOf<Op>>(elements)) * sizeof(InputOf<Op>);
  const auto out =
      static_cast<std::size_t>(packed_region<typename Op::Output>(elements)) * sizeof(typename Op::Output);
  launch(LaunchOn{.grid = blocks_of(plan, op.rows()),
                  .block = plan.threads,
                  .shared_bytes = in + (op.writes() ? out : 0),
                  .stream = stream},
         packed_rows_kernel<Op>, op, geometry);
}

template <class Op>
void launch_two_pass(const Op& op, const RowPlan& plan, const RowGeometry& geometry, cudaStream_t stream) {
  const std::size_t bytes = two_pass_bytes<Op>(plan);
  allow_two_pass<Op>();
  launch(LaunchOn{.grid = blocks_of(plan, op.rows()),
                  .block = plan.threads,
                  .shared_bytes = bytes,
                  .cluster = plan.cluster,
                  .stream = stream},
         two_pass_rows_kernel<Op>, op, geometry, TwoPassStage::both, nullptr);
}

template <class Op>
void launch_split_row(const Op& op, const RowGeometry& geometry, void* slices, cudaStream_t stream) {
  const LaunchOn on{.grid = op.rows() * geometry.slices, .block = kMaxThreads, .stream = stream};
  auto* summaries = static_cast<typename Op::Summary*>(slices);
  launch(on, two_pass_rows_kernel<Op>, op, geometry, TwoPassStage::reduce, summaries);
  launch(on, two_pass_rows_kernel<Op>, op, geometry, TwoPassStage::finalize, summaries);
}

// Blocks that share a row where there is a workspace for their summaries; 1: a row is not split.
template <class Op>
[[nodiscard]] int split_row_slices(const Op& op, std::size_t workspace_bytes) {
  const int slices = split_row_blocks(problem_of(op), op.rows(), device_limits());
  const std::size_t needed =
      static_cast<std::size_t>(slices) * static_cast<std::size_t>(op.rows()) * sizeof(typename Op::Summary);
  return needed <= workspace_bytes ? slices : 1;
}

// One launch; two where rows are split. Nothing where there is no row.
template <RowOp Op>
void launch_rows(const Op& op, Workspace workspace, cudaStream_t stream) {
  if (op.rows() == 0) return;
  const RowProblem problem = problem_of(op);
  const bool vectorized = problem.access != RowAlignment::scalar;
  const auto geometry_of = [&](int threads_per_row, int cluster, int slices, int cached) {
    return RowGeometry{
        .threads_per_row = threads_per_row,
        .cluster = cluster,
        .slices = slices,
        .vectorized = vectorized,
        .cached = cached,
        .vectors = blocks_for(vectors_of(problem), std::int64_t{threads_per_row} * cluster * slices)};
  };
  if (const int slices = split_row_slices(op, workspace.bytes); slices > 1)
    return launch_split_row(op, geometry_of(kMaxThreads, 1, slices, 0), workspace.data, stream);
  const RowPlan plan = plan_of(op);
  const RowGeometry geometry = geometry_of(plan.threads_per_row, plan.cluster, 1, plan.cached);
  switch (plan.form) {
    case RowForm::packed: return launch_packed(op, plan, geometry, stream);
    case RowForm::registers: return launch_registers(op, plan, geometry, stream);
    case RowForm::two_pass: return launch_two_pass(op, plan, geometry, stream);
  }
}

}  // namespace softwarp
