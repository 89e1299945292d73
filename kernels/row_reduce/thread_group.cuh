#pragma once

// Thread groups: who owns a row, and reductions over them.

#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include "kernels/primitives/reduce.cuh"
#include "kernels/row_reduce/plan.h"

namespace softwarp {

// Thread block clusters: from compute capability 9.0 on. On older devices a block is alone, and code that
// speaks of its cluster still compiles.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
__device__ inline void cluster_arrive() {}
__device__ inline void cluster_wait() { __syncthreads(); }
template <class T>
__device__ T* in_cluster_block(T* shared, int) {
  return shared;
}
#else
// Writes to shared memory before arriving are visible to the cluster's other blocks after waiting.
__device__ inline void cluster_arrive() { cooperative_groups::this_cluster().barrier_arrive(); }
__device__ inline void cluster_wait() { cooperative_groups::this_cluster().barrier_wait(); }

// A variable of this block's shared memory, as it is in the cluster's block `rank`.
template <class T>
__device__ T* in_cluster_block(T* shared, int rank) {
  return cooperative_groups::this_cluster().map_shared_rank(shared, static_cast<unsigned>(rank));
}
#endif

// The threads that own a row: part of a warp, a warp, a block or a cluster of blocks. One ladder of
// reductions serves them all.
class ThreadGroup {
 public:
  __device__ explicit ThreadGroup(const RowGeometry& g)
      : warp{g.threads_per_row < kWarpLanes ? g.threads_per_row : kWarpLanes} {
    const int thread = static_cast<int>(threadIdx.x), block_threads = static_cast<int>(blockDim.x);
    if (g.threads_per_row <= kWarpLanes) {
      row = static_cast<std::int64_t>(blockIdx.x) * (block_threads / g.threads_per_row) +
            thread / g.threads_per_row;
      rank = thread % g.threads_per_row;
      threads = g.threads_per_row;
      return;
    }
    const int blocks = g.cluster * g.slices;
    const int block = static_cast<int>(blockIdx.x) % blocks;
    row = static_cast<std::int64_t>(blockIdx.x) / blocks;
    slice = g.slices > 1 ? block : 0;
    rank = block * block_threads + thread;
    threads = blocks * block_threads;
    warps_ = block_threads / kWarpLanes;
    cluster_ = g.cluster;
  }

  // The row's summary from those of its owners' warps, the same bits for each thread.
  template <class Summary>
  __device__ Summary all_reduce(const Summary& warp_summary) {
    if (warps_ == 1) return warp_summary;
    __shared__ Summary warp_summaries[kMaxThreads / kWarpLanes];
    const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarpLanes;
    if (lane == 0) warp_summaries[thread / kWarpLanes] = warp_summary;
    __syncthreads();
    const Summary block_summary =
        Summary::warp_reduce(lane < warps_ ? warp_summaries[lane] : Summary::identity(), warp);
    if (cluster_ == 1) return block_summary;
    __shared__ Summary mine;
    if (thread == 0) mine = block_summary;
    cluster_arrive();
    cluster_wait();
    const Summary block_summaries = lane < cluster_ ? *in_cluster_block(&mine, lane) : Summary::identity();
    cluster_arrive();  // and exit() waits: until all have read, `mine` stays
    return Summary::warp_reduce(block_summaries, warp);
  }

  __device__ void exit() const {
    if (cluster_ > 1) cluster_wait();
  }

  std::int64_t row;
  int rank;     // of this thread among the row's owners
  int threads;  // all owners
  int slice = 0;
  LogicalWarp warp;  // the owners in this thread's warp

 private:
  int warps_ = 1;
  int cluster_ = 1;
};

}  // namespace softwarp
