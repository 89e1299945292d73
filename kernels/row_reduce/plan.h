#pragma once

// How rows are spread over threads, for every op that reduces each row of a matrix: a function of the row's
// length, its layout in memory and the device, never of the number of rows, so that a row's result does not
// depend on the batch it is in (batch invariance). Only rows that are split over a workspace depend on it.

#include <softwarp/matrix_view.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/primitives/device.h"

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
  int output_bytes = 4;   // of the output's; 0: nothing is written
  int inputs = 1;         // matrices that are read
  int max_vectors = 8;    // vectors of each in a thread's registers, at most: 4 or 8
  RowAlignment access = RowAlignment::aligned;
  bool packed = true;  // no gap between rows, in any matrix
};

enum class RowForm {
  packed,     // a block takes whole rows as one piece of memory through shared memory
  registers,  // a row is read into registers, by lanes of a warp, a block or a cluster
  two_pass,   // a row is read twice, the part of it that shared memory can keep once
  split_row,  // a row is read twice, by several blocks, in two launches
};

struct RowPlan {
  RowForm form = RowForm::registers;
  int vectors = 2;          // registers: 16-byte vectors of each input in a thread's registers
  int threads_per_row = 1;  // threads of a block that own a row: 1 to 32 lanes of a warp, or all of them
  int threads = kPackedThreads;
  int cluster = 1;  // blocks that own a row together and meet
  int slices = 1;   // split_row: blocks that own a row together and do not meet
  int cached = 0;   // two_pass: vectors of each input that a thread keeps in shared memory

  constexpr int rows_per_block() const { return threads / threads_per_row; }
  constexpr std::int64_t blocks(std::int64_t rows) const {
    return blocks_for(rows, rows_per_block()) * cluster * slices;
  }
  bool operator==(const RowPlan&) const = default;
};

[[nodiscard]] RowPlan plan_rows(const RowProblem& problem, const DeviceLimits& device);

// The plan that splits rows, where they are too few to occupy the device and a second launch is worth it;
// otherwise the plan of plan_rows.
[[nodiscard]] RowPlan plan_split_rows(const RowProblem& problem, std::int64_t rows,
                                      const DeviceLimits& device);

// The dynamic shared memory of a block.
[[nodiscard]] std::size_t shared_bytes(const RowProblem& problem, const RowPlan& plan);

// Elements of a row that a lane takes in the packed form: 32 bytes of them.
SOFTWARP_HD constexpr int packed_elements(int element_bytes) {
  return 2 * elements_per_access(element_bytes);
}
// Elements of shared memory that so many take in the packed form, at any distance from a boundary.
SOFTWARP_HD constexpr int packed_region(int elements, int element_bytes) {
  const int width = elements_per_access(element_bytes);
  return static_cast<int>(blocks_for(elements, width) + 1) * width;
}

// The kernel argument that says which threads own which row.
struct RowGeometry {
  int threads_per_row = 1;  // threads of a block that own a row
  int cluster = 1;          // blocks that own a row and meet
  int slices = 1;           // blocks that own a row and do not meet
  bool vectorized = true;
  int cached = 0;            // two_pass: vectors of each input that a thread keeps in shared memory
  std::int64_t vectors = 0;  // two_pass: of a row, those of the thread that has most
};

[[nodiscard]] RowGeometry geometry_of(const RowProblem& problem, const RowPlan& plan);

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
[[nodiscard]] RowAlignment alignment_of(std::span<const RowLayout> layouts);

}  // namespace softwarp
