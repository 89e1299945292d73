#pragma once

// The host's side: from an op to its launch.

#include <softwarp/workspace.h>

#include <atomic>
#include <cstdint>

#include "kernels/primitives/launch.h"
#include "kernels/row_reduce/kernels.cuh"
#include "kernels/row_reduce/plan.h"

namespace softwarp {

// True if the device can run a cluster of kMaxClusterBlocks blocks of kMaxThreads with so much shared memory.
[[nodiscard]] bool clusters_fit(const void* kernel, std::size_t shared_bytes);

template <class Op>
void allow_two_pass() {
  static std::atomic<std::uint64_t> asked_devices = 0;
  allow_shared(reinterpret_cast<const void*>(two_pass_rows_kernel<Op>), asked_devices);
}

// True if the device can run the largest clusters of this op. Asked once.
template <class Op>
[[nodiscard]] bool clusters_fit(RowForm form, const DeviceLimits& device) {
  if (form == RowForm::registers) {
    static const bool fit =
        clusters_fit(reinterpret_cast<const void*>(register_rows_kernel<Op, Op::kMaxVectorsPerThread>), 0);
    return fit;
  }
  static const bool fit = [&] {
    allow_two_pass<Op>();
    return clusters_fit(reinterpret_cast<const void*>(two_pass_rows_kernel<Op>),
                        device.shared_bytes - kSharedReserve);
  }();
  return fit;
}

template <class Op>
[[nodiscard]] RowProblem problem_of(const Op& op) {
  const auto layouts = op.layouts();
  RowProblem problem{.cols = op.cols(),
                     .element_bytes = Op::kElementBytes,
                     .input_bytes = sizeof(InputOf<Op>),
                     .output_bytes = op.writes() ? static_cast<int>(sizeof(typename Op::Output)) : 0,
                     .inputs = Op::kInputs,
                     .max_vectors = Op::kMaxVectorsPerThread,
                     .access = alignment_of(layouts)};
  for (const RowLayout& p : layouts) problem.packed = problem.packed && p.packed;
  return problem;
}

template <class Op>
[[nodiscard]] RowPlan plan_of(const Op& op, const RowProblem& problem, std::size_t workspace_bytes) {
  DeviceLimits device = device_limits();
  const RowPlan split = plan_split_rows(problem, op.rows(), device);
  const auto summaries = static_cast<std::size_t>(split.slices) * static_cast<std::size_t>(op.rows());
  if (split.slices > 1 && summaries * sizeof(typename Op::Summary) <= workspace_bytes) return split;
  const RowPlan plan = plan_rows(problem, device);
  if (plan.cluster == 1 || clusters_fit<Op>(plan.form, device)) return plan;
  device.clusters = false;
  return plan_rows(problem, device);
}

// One launch; two where rows are split, for which the workspace is. Nothing where there is no row.
template <RowOp Op>
void launch_rows(const Op& op, Workspace workspace, cudaStream_t stream) {
  if (op.rows() == 0) return;
  const RowProblem problem = problem_of(op);
  const RowPlan plan = plan_of(op, problem, workspace.bytes);
  const RowGeometry geometry = geometry_of(problem, plan);
  const LaunchOn on{.grid = plan.blocks(op.rows()),
                    .block = plan.threads,
                    .shared_bytes = shared_bytes(problem, plan),
                    .cluster = plan.cluster,
                    .stream = stream};
  auto* const summaries = static_cast<typename Op::Summary*>(workspace.data);
  switch (plan.form) {
    case RowForm::packed: return launch(on, packed_rows_kernel<Op>, op, geometry);
    case RowForm::registers:
      if (plan.vectors == 2) return launch(on, register_rows_kernel<Op, 2>, op, geometry);
      if (plan.vectors == 4) return launch(on, register_rows_kernel<Op, 4>, op, geometry);
      return launch(on, register_rows_kernel<Op, Op::kMaxVectorsPerThread>, op, geometry);
    case RowForm::two_pass:
      allow_two_pass<Op>();
      return launch(on, two_pass_rows_kernel<Op>, op, geometry, TwoPassStage::both, nullptr);
    case RowForm::split_row:
      launch(on, two_pass_rows_kernel<Op>, op, geometry, TwoPassStage::reduce, summaries);
      return launch(on, two_pass_rows_kernel<Op>, op, geometry, TwoPassStage::finalize, summaries);
  }
}

}  // namespace softwarp
