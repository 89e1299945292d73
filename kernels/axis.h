#pragma once

// How a packed tensor [outer, cols, inner] is spread over threads when its middle dimension is reduced. Plain
// C++.

#include <softwarp/matrix_view.h>

#include <cstdint>

#include "kernels/primitives/device.h"

namespace softwarp {

// A block has `lanes` groups of neighbours in memory, each of `width` elements, and threads / lanes threads
// for each group, which share its column out among themselves.
struct AxisPlan {
  int width = 1;  // elements an access
  int lanes = 128;
  int threads = 128;  // of a block
  bool in_registers =
      true;  // in registers between one read and one write; otherwise the column is read twice
  bool operator==(const AxisPlan&) const = default;
};

// Accesses of a column that a thread holds.
SOFTWARP_HD constexpr int axis_vectors_per_thread(int width, int inputs) {
  return (width == 8 ? 4 : 8) / inputs;
}

// Lanes are as many as leave enough threads to hold the column, and not fewer than fill a sector of 32 bytes.
[[nodiscard]] constexpr AxisPlan plan_axis(std::int64_t cols, int element_bytes, int inputs,
                                           bool vectorized) {
  const int width = vectorized ? elements_per_access(element_bytes) : 1;
  const int least = 32 / (width * element_bytes);
  std::int64_t sharing = 1;
  while (sharing * axis_vectors_per_thread(width, inputs) < cols) sharing *= 2;
  const int threads = sharing * 8 <= 128 ? 128 : sharing * 8 <= 256 ? 256 : 512;
  if (sharing * least <= threads)
    return {.width = width,
            .lanes = static_cast<int>(threads / sharing),
            .threads = threads,
            .in_registers = true};
  return {.width = width, .lanes = least > 8 ? least : 8, .threads = 512, .in_registers = false};
}

}  // namespace softwarp
