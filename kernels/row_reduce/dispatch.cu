#include "kernels/row_reduce/dispatch.cuh"

namespace softwarp {

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
