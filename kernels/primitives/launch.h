#pragma once

#include <cuda_runtime.h>
#include <softwarp/error.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <source_location>
#include <string>
#include <utility>

#include "kernels/primitives/device.h"
#include "kernels/primitives/sizes.h"

namespace softwarp {

// Throws softwarp::Error with what CUDA said and where it was asked.
inline void check(cudaError_t status, std::source_location where = std::source_location::current()) {
  if (status == cudaSuccess) return;
  throw Error(std::string(where.file_name()) + ":" + std::to_string(where.line()) + ": CUDA says " +
              cudaGetErrorName(status) + ", " + cudaGetErrorString(status));
}

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

// The only way to start a kernel here: `kernel<<<...>>>` drops the error. Arguments convert to the kernel's
// own parameter types. One call of the runtime, nothing asked, nothing allocated: fit to be captured in a
// graph, once the same launch has been made outside a capture. A first launch loads the kernel, which drivers
// older than CUDA 12.3 refuse there.
template <class... Params, class... Args>
void launch(const LaunchHere& on, void (*kernel)(Params...), Args&&... args) {
  if (on.grid == 0) return;
  expects(on.grid > 0 && on.grid <= std::numeric_limits<std::int32_t>::max(), "a grid of 31 bits", on.where);
  cudaLaunchAttribute attributes[2]{};
  unsigned count = 0;
  if (device_limits().programmatic_launch) {  // the kernel waits by itself for what is before it: pdl.cuh
    cudaLaunchAttribute& early = attributes[count++];
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
  }
  if (on.cluster > 1) {
    cudaLaunchAttribute& cluster = attributes[count++];
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = static_cast<unsigned>(on.cluster);
    cluster.val.clusterDim.y = 1;
    cluster.val.clusterDim.z = 1;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(on.grid));
  config.blockDim = dim3(static_cast<unsigned>(on.block));
  config.dynamicSmemBytes = on.shared_bytes;
  config.stream = on.stream;
  config.attrs = attributes;
  config.numAttrs = count;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Args>(args)...), on.where);
}

}  // namespace softwarp
