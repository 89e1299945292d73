#pragma once

// How rows are spread over threads, for every op that reduces each row of a matrix: a function of the row's
// length, its place in memory and the device, never of the number of rows, so that a row's result does not
// depend on the batch it is in. Plain C++, tested on both sides of each border.

#include <cstdint>
#include <initializer_list>

#include "kernels/device.h"
#include "kernels/sizes.h"

namespace softwarp {

inline constexpr int kMostThreads = 512;  // of a block that owns a row
inline constexpr int kSmallBlock = 128;   // threads of a block whose warps own rows by themselves
inline constexpr int kMostCluster = 8;    // blocks; more is not portable
inline constexpr std::size_t kSharedReserve = 2 << 10;  // for what kernels share beside their rows

// How the rows of an op's matrices lie in memory.
enum class RowAccess {
  aligned,  // each row of each matrix begins at a border of a vector
  shifted,  // not so, but at equal distances from one: vectors from the first border on
  narrow,   // element by element
};

struct RowProblem {
  std::int64_t cols = 0;
  int element_bytes = 4;  // of the widest type
  int input_bytes = 4;    // of an input's
  int inputs = 1;         // matrices that are read
  int held = 8;           // vectors of each that a thread's registers can hold: 4 or 8
  RowAccess access = RowAccess::aligned;
  bool packed = true;  // no gap between rows, in any matrix
};

enum class RowForm {
  flat,      // a block takes whole rows as one piece of memory through shared memory
  held,      // a row is read into registers, by lanes of a warp, a block or a cluster
  streamed,  // a row is read twice, what shared memory can keep of it once
};

struct RowPlan {
  RowForm form = RowForm::held;
  int vectors = 2;  // held: 16-byte vectors of each input in a thread's registers
  int team = 1;     // threads of a block that own a row: 1 to 32 lanes of a warp, or all of them
  int threads = kSmallBlock;
  int cluster = 1;  // blocks that own a row together
  int cached = 0;   // streamed: vectors of each input that a thread keeps in shared memory

  constexpr int rows_per_block() const { return threads / team; }
  bool operator==(const RowPlan&) const = default;
};

// Elements of a row that a lane takes in the flat form: 32 bytes of them.
SOFTWARP_HD constexpr int flat_elements(int element_bytes) { return 2 * elements_per_access(element_bytes); }

// The smallest power of two of at least n, n in [1, 32].
constexpr int lanes_for(std::int64_t n) {
  int lanes = 1;
  while (lanes < n) lanes *= 2;
  return lanes;
}

// Vectors of a row; a shifted one may touch one more than it fills.
constexpr std::int64_t vectors_of(const RowProblem& p) {
  const int width = elements_per_access(p.element_bytes);
  return blocks_for(p.cols + (p.access == RowAccess::shifted ? width - 1 : 0), width);
}

// Whole warps that hold so many vectors, `each` of them a thread.
constexpr std::int64_t threads_for(std::int64_t vectors, int each) {
  return blocks_for(vectors, std::int64_t{each} * kWarpLanes) * kWarpLanes;
}

// Held forms: as many lanes as have two vectors each, so that two loads are under way, up to a warp; up to 8
// vectors a lane; then 4 a thread in a block of up to 512, at last 8 in such blocks (64 KiB a row) and in
// clusters of them; nowhere more than the op can hold. Longer rows are streamed.
[[nodiscard]] constexpr RowPlan plan_rows(const RowProblem& p, const DeviceLimits& device) {
  const int width = elements_per_access(p.element_bytes), flat = flat_elements(p.element_bytes);
  if (p.access != RowAccess::aligned && p.packed && p.cols <= std::int64_t{kWarpLanes} * flat)
    return {.form = RowForm::flat, .team = lanes_for(blocks_for(p.cols, flat))};

  const std::int64_t vectors = vectors_of(p);
  if (vectors <= 2 * kWarpLanes) return {.vectors = 2, .team = lanes_for(blocks_for(vectors, 2))};
  for (const int each : {4, 8})
    if (each <= p.held && vectors <= each * kWarpLanes) return {.vectors = each, .team = kWarpLanes};
  for (const int cluster : {1, 2, 4, 8}) {
    if (cluster > 1 && !device.clusters) break;
    const std::int64_t of_block = blocks_for(vectors, cluster);
    const int each = of_block <= 4 * kMostThreads ? 4 : p.held;
    const std::int64_t threads = threads_for(of_block, each);
    if (threads > kMostThreads) continue;
    const int team = static_cast<int>(threads);
    return {.vectors = each, .team = team, .threads = team, .cluster = cluster};
  }

  const int cluster = device.clusters ? kMostCluster : 1;
  const std::int64_t each = blocks_for(vectors, std::int64_t{kMostThreads} * cluster);
  const auto room =
      static_cast<std::int64_t>((device.shared_bytes - kSharedReserve) /
                                static_cast<std::size_t>(kMostThreads * width * p.input_bytes * p.inputs));
  return {.form = RowForm::streamed,
          .team = kMostThreads,
          .threads = kMostThreads,
          .cluster = cluster,
          .cached = static_cast<int>(each < room ? each : room)};
}

// Rows too few to occupy the device may be split over blocks, each part read twice, in two launches: how many
// blocks share a row. 1: not worth it, for a second launch takes as long as 128 KiB through one
// multiprocessor. Unlike plan_rows this depends on the number of rows.
[[nodiscard]] constexpr int split_of(const RowProblem& p, std::int64_t rows, const DeviceLimits& device) {
  constexpr std::int64_t kLeastVectors = (128 << 10) / kAccessBytes;
  constexpr std::int64_t kVectorsOfBlock =
      std::int64_t{4} * kMostThreads;  // a few loads in flight for each thread
  const int owners = plan_rows(p, device).cluster;
  const std::int64_t vectors = vectors_of(p);
  if (rows == 0 || vectors < kLeastVectors * owners || 2 * rows * owners > device.multiprocessors) return 1;
  const std::int64_t most = blocks_for(vectors, kVectorsOfBlock), wanted = 2 * device.multiprocessors / rows;
  return static_cast<int>(wanted < most ? wanted : most);
}

}  // namespace softwarp
