#pragma once

#include <softwarp/matrix_view.h>

#include <cstdint>

namespace softwarp {

inline constexpr int kAccessBytes = 16;  // the widest access to memory
inline constexpr int kWarpLanes = 32;

SOFTWARP_HD constexpr int elements_per_access(int element_bytes) { return kAccessBytes / element_bytes; }

// How many blocks cover `items` when each takes `per_block`.
SOFTWARP_HD constexpr std::int64_t blocks_for(std::int64_t items, std::int64_t per_block) {
  return items / per_block + (items % per_block != 0);
}

}  // namespace softwarp
