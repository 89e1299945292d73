#pragma once

#include <softwarp/matrix_view.h>

#include <cstddef>
#include <cstdint>

namespace softwarp {

inline constexpr int kAccessBytes = 16;  // the widest access to memory
inline constexpr int kWarpLanes = 32;

SOFTWARP_HD constexpr int elements_per_access(int element_bytes) { return kAccessBytes / element_bytes; }

// The number of blocks that cover `items` when each takes `per_block`.
SOFTWARP_HD constexpr std::int64_t blocks_for(std::int64_t items, std::int64_t per_block) {
  return items / per_block + (items % per_block != 0);
}

// The limits of a GPU that plans depend on.
struct DeviceLimits {
  int multiprocessors = 0;
  std::size_t shared_bytes = 0;  // that a block may have once its kernel has opted in
  // Both need compute capability 9.0, of the device and of the code: a device also runs older PTX, which has
  // neither.
  bool clusters = false;             // blocks that read each other's shared memory
  bool programmatic_launch = false;  // of a kernel that waits by itself for those before it

  bool operator==(const DeviceLimits&) const = default;
};

// The limits of the device that is current at the first call. They are asked once, so that no launch has to
// ask: a process uses one GPU, or several that are alike. Throws Error where there is none.
[[nodiscard]] const DeviceLimits& device_limits();

// Asks the current device anew.
[[nodiscard]] DeviceLimits ask_device_limits();

// True if this build has kernels for the current device. Throws Error if the device cannot be used for
// another reason.
[[nodiscard]] bool built_for_device();

// From now on device_limits() says this instead, null: the truth again. Launches then plan for that device,
// so that every plan can run on one. The caller keeps *limits alive and launches nothing meanwhile.
void assume_device_limits(const DeviceLimits* limits);

}  // namespace softwarp
