#pragma once

#include <cuda_runtime.h>
#include <softwarp/error.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

namespace softwarp {

// Throws softwarp::Error with CUDA's text and the place of the call.
void check(cudaError_t status, std::source_location where = std::source_location::current());

// The configuration of a launch.
struct LaunchOn {
  std::int64_t grid = 0;  // blocks; none is no work, not an error
  int block = 0;          // threads
  std::size_t shared_bytes = 0;
  int cluster = 1;  // blocks that share their memory, sm_90 and later; divides the grid
  cudaStream_t stream;
};

// The same, and the line that launches, so that an error names it.
struct LaunchHere : LaunchOn {
  std::source_location where;
  LaunchHere(const LaunchOn& on, std::source_location at = std::source_location::current())
      : LaunchOn(on), where(at) {}
};

// CUDA's form of it.
struct LaunchConfig {
  explicit LaunchConfig(const LaunchHere& on);
  LaunchConfig(const LaunchConfig&) = delete;
  LaunchConfig& operator=(const LaunchConfig&) = delete;

  cudaLaunchAttribute attributes[2]{};
  cudaLaunchConfig_t value{};  // points to the attributes
};

// The only way to start a kernel here: `kernel<<<...>>>` drops the error. Arguments convert to the kernel's
// own parameter types. One call of the runtime, nothing asked, nothing allocated: fit to be captured in a
// graph, once the same launch has been made outside a capture. A first launch loads the kernel, which drivers
// older than CUDA 12.3 refuse there.
template <class... Params, class... Args>
void launch(const LaunchHere& on, void (*kernel)(Params...), Args&&... args) {
  if (on.grid == 0) return;
  const LaunchConfig config(on);
  check(cudaLaunchKernelEx(&config.value, kernel, std::forward<Args>(args)...), on.where);
}

// Opts in to all the dynamic shared memory that the current device has for a block of this kernel; without
// that a launch gets 48 KiB. Asks once for each device.
void allow_shared(const void* kernel, std::atomic<std::uint64_t>& asked_devices);

}  // namespace softwarp
