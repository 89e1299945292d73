#include "kernels/primitives/launch.h"

#include <limits>
#include <string>

#include "kernels/primitives/device.h"

namespace softwarp {

void check(cudaError_t status, std::source_location where) {
  if (status == cudaSuccess) return;
  throw Error(std::string(where.file_name()) + ":" + std::to_string(where.line()) + ": CUDA says " +
              cudaGetErrorName(status) + ", " + cudaGetErrorString(status));
}

LaunchConfig::LaunchConfig(const LaunchHere& on) {
  expects(on.grid > 0 && on.grid <= std::numeric_limits<std::int32_t>::max(), "a grid of 31 bits", on.where);
  value.gridDim = dim3(static_cast<unsigned>(on.grid));
  value.blockDim = dim3(static_cast<unsigned>(on.block));
  value.dynamicSmemBytes = on.shared_bytes;
  value.stream = on.stream;
  value.attrs = attributes;
  if (device_limits().programmatic_launch) {  // the kernel waits by itself for the one before it: pdl.cuh
    cudaLaunchAttribute& early = attributes[value.numAttrs++];
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
  }
  if (on.cluster > 1) {
    cudaLaunchAttribute& cluster = attributes[value.numAttrs++];
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = static_cast<unsigned>(on.cluster);
    cluster.val.clusterDim.y = 1;
    cluster.val.clusterDim.z = 1;
  }
}

// The device's limit for a block includes the kernel's static shared memory. Threads that ask at the same
// time set the same value, so none lowers another's.
void allow_shared(const void* kernel, std::atomic<std::uint64_t>& asked_devices) {
  int device = 0, most = 0;
  check(cudaGetDevice(&device));
  const std::uint64_t bit = device < 64 ? std::uint64_t{1} << device : 0;
  if ((asked_devices & bit) != 0) return;
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, kernel));
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  most -= static_cast<int>(attributes.sharedSizeBytes);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
  asked_devices |= bit;
}

}  // namespace softwarp
