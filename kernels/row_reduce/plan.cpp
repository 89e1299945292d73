#include "kernels/row_reduce/plan.h"

#include <algorithm>

namespace softwarp {
namespace {

// The smallest power of two of at least n, n in [1, 32].
int lanes_for(std::int64_t n) {
  int lanes = 1;
  while (lanes < n) lanes *= 2;
  return lanes;
}

// Vectors of a row; a shifted one may touch one more than it fills.
std::int64_t vectors_of(const RowProblem& p) {
  const int width = elements_per_access(p.element_bytes);
  return blocks_for(p.cols + (p.access == RowAlignment::shifted ? width - 1 : 0), width);
}

// Whole warps that hold so many vectors, `each` of them a thread.
std::int64_t threads_for(std::int64_t vectors, int each) {
  return blocks_for(vectors, std::int64_t{each} * kWarpLanes) * kWarpLanes;
}

// Blocks that share a row, each part of it read twice, in two launches. 1: not worth it, for a second launch
// takes as long as 128 KiB through one multiprocessor.
int split_row_blocks(const RowProblem& p, std::int64_t rows, int owners, const DeviceLimits& device) {
  constexpr std::int64_t kLeastVectors = (128 << 10) / kAccessBytes;
  constexpr std::int64_t kVectorsOfBlock =
      std::int64_t{4} * kMaxThreads;  // a few loads in flight for each thread
  const std::int64_t vectors = vectors_of(p);
  if (rows == 0 || vectors < kLeastVectors * owners || 2 * rows * owners > device.multiprocessors) return 1;
  return static_cast<int>(
      std::min<std::int64_t>(blocks_for(vectors, kVectorsOfBlock), 2 * device.multiprocessors / rows));
}

}  // namespace

// Register-resident: as many lanes as have two vectors each, so that two loads are under way, up to a warp;
// up to 8 vectors a lane; then 4 a thread in a block of up to 512, at last 8 in such blocks (64 KiB a row)
// and in clusters of them; nowhere more than the op can hold. Longer rows take two passes.
RowPlan plan_rows(const RowProblem& p, const DeviceLimits& device) {
  const int width = elements_per_access(p.element_bytes), per_lane = packed_elements(p.element_bytes);
  if (p.access != RowAlignment::aligned && p.packed && p.cols <= std::int64_t{kWarpLanes} * per_lane)
    return {.form = RowForm::packed, .threads_per_row = lanes_for(blocks_for(p.cols, per_lane))};

  const std::int64_t vectors = vectors_of(p);
  if (vectors <= 2 * kWarpLanes) return {.vectors = 2, .threads_per_row = lanes_for(blocks_for(vectors, 2))};
  for (const int each : {4, 8})
    if (each <= p.max_vectors && vectors <= each * kWarpLanes)
      return {.vectors = each, .threads_per_row = kWarpLanes};
  for (const int cluster : {1, 2, 4, 8}) {
    if (cluster > 1 && !device.clusters) break;
    const std::int64_t block_vectors = blocks_for(vectors, cluster);
    const int each = block_vectors <= 4 * kMaxThreads ? 4 : p.max_vectors;
    const std::int64_t threads = threads_for(block_vectors, each);
    if (threads > kMaxThreads) continue;
    const int threads_per_row = static_cast<int>(threads);
    return {
        .vectors = each, .threads_per_row = threads_per_row, .threads = threads_per_row, .cluster = cluster};
  }

  const int cluster = device.clusters ? kMaxClusterBlocks : 1;
  const std::int64_t each = blocks_for(vectors, std::int64_t{kMaxThreads} * cluster);
  const auto room =
      static_cast<std::int64_t>((device.shared_bytes - kSharedReserve) /
                                static_cast<std::size_t>(kMaxThreads * width * p.input_bytes * p.inputs));
  return {.form = RowForm::two_pass,
          .threads_per_row = kMaxThreads,
          .threads = kMaxThreads,
          .cluster = cluster,
          .cached = static_cast<int>(std::min(each, room))};
}

RowPlan plan_split_rows(const RowProblem& p, std::int64_t rows, const DeviceLimits& device) {
  const RowPlan plan = plan_rows(p, device);
  const int slices = split_row_blocks(p, rows, plan.cluster, device);
  if (slices == 1) return plan;
  return {
      .form = RowForm::split_row, .threads_per_row = kMaxThreads, .threads = kMaxThreads, .slices = slices};
}

std::size_t shared_bytes(const RowProblem& p, const RowPlan& plan) {
  if (plan.form == RowForm::packed) {
    const int elements = plan.rows_per_block() * static_cast<int>(p.cols);
    const int in = p.inputs * packed_region(elements, p.input_bytes) * p.input_bytes;
    const int out = p.output_bytes == 0 ? 0 : packed_region(elements, p.output_bytes) * p.output_bytes;
    return static_cast<std::size_t>(in + out);
  }
  const int vector_bytes = elements_per_access(p.element_bytes) * p.input_bytes;
  return static_cast<std::size_t>(plan.cached * plan.threads * p.inputs * vector_bytes);
}

RowGeometry geometry_of(const RowProblem& p, const RowPlan& plan) {
  return {
      .threads_per_row = plan.threads_per_row,
      .cluster = plan.cluster,
      .slices = plan.slices,
      .vectorized = p.access != RowAlignment::scalar,
      .cached = plan.cached,
      .vectors = blocks_for(vectors_of(p), std::int64_t{plan.threads_per_row} * plan.cluster * plan.slices)};
}

RowAlignment alignment_of(std::span<const RowLayout> layouts) {
  int widest = 0;
  for (const RowLayout& p : layouts) widest = std::max(widest, p.element_bytes);
  const int width = elements_per_access(widest);
  const auto in_elements = [](const RowLayout& p) {
    return static_cast<std::int64_t>(p.address / static_cast<unsigned>(p.element_bytes));
  };
  bool aligned = true, alike = true;
  for (const RowLayout& p : layouts) {
    aligned = aligned && in_elements(p) % width == 0 && p.stride % width == 0;
    alike = alike && (in_elements(p) - in_elements(layouts[0])) % width == 0 &&
            (p.stride - layouts[0].stride) % width == 0;
  }
  return aligned ? RowAlignment::aligned : alike ? RowAlignment::shifted : RowAlignment::scalar;
}

}  // namespace softwarp
