#pragma once

// Thread block clusters, which only devices of compute capability 9.0 and later have. On others a block is
// alone, and code that speaks of its cluster still compiles.

#include <cooperative_groups.h>
#include <cuda_runtime.h>

namespace softwarp {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
__device__ inline void cluster_arrive() {}
__device__ inline void cluster_wait() { __syncthreads(); }
template <class T>
__device__ T* in_cluster_block(T* shared, int) {
  return shared;
}
#else
// What was written to shared memory before arriving can be read by the cluster's other blocks after waiting.
__device__ inline void cluster_arrive() { cooperative_groups::this_cluster().barrier_arrive(); }
__device__ inline void cluster_wait() { cooperative_groups::this_cluster().barrier_wait(); }

// A variable of this block's shared memory, as it is in the cluster's block `rank`.
template <class T>
__device__ T* in_cluster_block(T* shared, int rank) {
  return cooperative_groups::this_cluster().map_shared_rank(shared, static_cast<unsigned>(rank));
}
#endif

}  // namespace softwarp
