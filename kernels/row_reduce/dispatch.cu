#include "kernels/row_reduce/dispatch.cuh"

namespace softwarp {

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

// A part of a GPU (MIG) may run no such cluster, and some say so by an error; the launch says whatever else
// is wrong.
bool clusters_fit(const void* kernel, std::size_t bytes) {
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = kMaxClusterBlocks;
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(kMaxClusterBlocks);
  config.blockDim = dim3(kMaxThreads);
  config.dynamicSmemBytes = bytes;
  config.attrs = &cluster;
  config.numAttrs = 1;
  int clusters = 0;
  if (cudaOccupancyMaxActiveClusters(&clusters, kernel, &config) == cudaSuccess) return clusters > 0;
  cudaGetLastError();  // an answer: it must not be said again to the next caller
  return false;
}

}  // namespace softwarp
