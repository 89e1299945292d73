#pragma once

#include <cstddef>

namespace softwarp {

// Memory of the device, whatever its content, for rows so few and long that a launch would leave most of the
// GPU idle: with it such rows are split over blocks, in two launches that read them twice. A row's result may
// then depend, in its last bits, on how many rows there are. For one call at a time.
struct SplitScratch {
  void* data = nullptr;
  std::size_t bytes = 0;  // kSplitScratchBytes serve every device there is
};
inline constexpr std::size_t kSplitScratchBytes = 64 << 10;

}  // namespace softwarp
