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

}  // namespace softwarp
