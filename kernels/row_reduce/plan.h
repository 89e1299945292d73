#pragma once

// How rows are spread over threads, for every op that reduces each row of a matrix: a function of the row's
// length, its layout in memory and the device, never of the number of rows, so that a row's result does not
// depend on the batch it is in (batch invariance). Plain C++, tested on both sides of each boundary.

#include <softwarp/matrix_view.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "kernels/primitives/device.h"
#include "kernels/primitives/sizes.h"

namespace softwarp {

inline constexpr int kMaxThreads = 512;      // of a block that owns a row
inline constexpr int kPackedThreads = 128;   // threads of a block whose warps own rows by themselves
inline constexpr int kMaxClusterBlocks = 8;  // blocks; more is not portable
inline constexpr std::size_t kSharedReserve = 2 << 10;  // of static shared memory, beside the rows

// How the rows of an op's matrices lie in memory.
enum class RowAlignment {
  aligned,  // each row of each matrix begins at the boundary of a vector
  shifted,  // not so, but at equal distances from one: vectors from the first boundary on
  scalar,   // element by element
};

struct RowProblem {
  std::int64_t cols = 0;
  int element_bytes = 4;  // of the widest type
  int input_bytes = 4;    // of an input's
  int inputs = 1;         // matrices that are read
  int max_vectors = 8;    // vectors of each in a thread's registers, at most: 4 or 8
  RowAlignment access = RowAlignment::aligned;
  bool packed = true;  // no gap between rows, in any matrix
};

enum class RowForm {
  packed,     // a block takes whole rows as one piece of memory through shared memory
  registers,  // a row is read into registers, by lanes of a warp, a block or a cluster
  two_pass,   // a row is read twice, what shared memory can keep of it once
};

struct RowPlan {
  RowForm form = RowForm::registers;
  int vectors = 2;          // registers: 16-byte vectors of each input in a thread's registers
  int threads_per_row = 1;  // threads of a block that own a row: 1 to 32 lanes of a warp, or all of them
  int threads = kPackedThreads;
  int cluster = 1;  // blocks that own a row together
  int cached = 0;   // two_pass: vectors of each input that a thread keeps in shared memory

  constexpr int rows_per_block() const { return threads / threads_per_row; }
  bool operator==(const RowPlan&) const = default;
};

// Elements of a row that a lane takes in the packed form: 32 bytes of them.
SOFTWARP_HD constexpr int packed_elements(int element_bytes) {
  return 2 * elements_per_access(element_bytes);
}

// The smallest power of two of at least n, n in [1, 32].
constexpr int lanes_for(std::int64_t n) {
  int lanes = 1;
  while (lanes < n) lanes *= 2;
  return lanes;
}

// Vectors of a row; a shifted one may touch one more than it fills.
constexpr std::int64_t vectors_of(const RowProblem& p) {
  const int width = elements_per_access(p.element_bytes);
  return blocks_for(p.cols + (p.access == RowAlignment::shifted ? width - 1 : 0), width);
}

// Whole warps that hold so many vectors, `each` of them a thread.
constexpr std::int64_t threads_for(std::int64_t vectors, int each) {
  return blocks_for(vectors, std::int64_t{each} * kWarpLanes) * kWarpLanes;
}

// Register-resident: as many lanes as have two vectors each, so that two loads are under way, up to a warp;
// up to 8 vectors a lane; then 4 a thread in a block of up to 512, at last 8 in such blocks (64 KiB a row)
// and in clusters of them; nowhere more than the op can hold. Longer rows take two passes.
[[nodiscard]] constexpr RowPlan plan_rows(const RowProblem& p, const DeviceLimits& device) {
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
    const std::int64_t block_summary = blocks_for(vectors, cluster);
    const int each = block_summary <= 4 * kMaxThreads ? 4 : p.max_vectors;
    const std::int64_t threads = threads_for(block_summary, each);
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
          .cached = static_cast<int>(each < room ? each : room)};
}

// Rows too few to occupy the device may be split over blocks, each part read twice, in two launches: how many
// blocks share a row. 1: not worth it, for a second launch takes as long as 128 KiB through one
// multiprocessor. Unlike plan_rows this depends on the number of rows.
[[nodiscard]] constexpr int split_row_blocks(const RowProblem& p, std::int64_t rows,
                                             const DeviceLimits& device) {
  constexpr std::int64_t kLeastVectors = (128 << 10) / kAccessBytes;
  constexpr std::int64_t kVectorsOfBlock =
      std::int64_t{4} * kMaxThreads;  // a few loads in flight for each thread
  const int owners = plan_rows(p, device).cluster;
  const std::int64_t vectors = vectors_of(p);
  if (rows == 0 || vectors < kLeastVectors * owners || 2 * rows * owners > device.multiprocessors) return 1;
  const std::int64_t most = blocks_for(vectors, kVectorsOfBlock), wanted = 2 * device.multiprocessors / rows;
  return static_cast<int>(wanted < most ? wanted : most);
}

// The layout of a matrix in memory, without its element type.
struct RowLayout {
  std::uintptr_t address;
  std::int64_t stride;
  int element_bytes;
  bool packed;
};

// The stride counts even where there is one row, so that this row's result is the same in any batch.
template <class T>
[[nodiscard]] RowLayout layout_of(MatrixView<T> m) {
  return {reinterpret_cast<std::uintptr_t>(m.data), m.stride, sizeof(T), m.packed()};
}

// See RowAlignment; a vector has as many elements as one access can carry of the widest type.
template <std::size_t n>
[[nodiscard]] RowAlignment alignment_of(const std::array<RowLayout, n>& layouts) {
  int widest = 0;
  for (const RowLayout& p : layouts) widest = p.element_bytes > widest ? p.element_bytes : widest;
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
