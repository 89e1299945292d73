#pragma once

// The threads that own a row together.

#include "kernels/rows/cluster.cuh"
#include "kernels/rows/lanes.cuh"
#include "kernels/rows/plan.h"

namespace softwarp {

// What each thread of a launch is told.
struct RowGeometry {
  int team = 1;     // threads of a block that own a row
  int cluster = 1;  // blocks that own a row and meet
  int slices = 1;   // blocks that own a row and do not meet
  bool wide = true;
  int cached = 0;            // streamed: vectors of each input that a thread keeps in shared memory
  std::int64_t vectors = 0;  // streamed: of a row, those of the thread that has most
};

// Part of a warp, a warp, a block or a cluster of blocks; one ladder of reductions for all.
class RowTeam {
 public:
  __device__ explicit RowTeam(const RowGeometry& g) : lanes{g.team < kWarpLanes ? g.team : kWarpLanes} {
    const int thread = static_cast<int>(threadIdx.x), block_threads = static_cast<int>(blockDim.x);
    if (g.team <= kWarpLanes) {
      row = static_cast<std::int64_t>(blockIdx.x) * (block_threads / g.team) + thread / g.team;
      rank = thread % g.team;
      threads = g.team;
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
  __device__ Summary join(const Summary& of_warp) {
    if (warps_ == 1) return of_warp;
    __shared__ Summary of_warps[kMostThreads / kWarpLanes];
    const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarpLanes;
    if (lane == 0) of_warps[thread / kWarpLanes] = of_warp;
    __syncthreads();
    const Summary of_block = Summary::across(lane < warps_ ? of_warps[lane] : Summary::neutral(), lanes);
    if (cluster_ == 1) return of_block;
    __shared__ Summary mine;
    if (thread == 0) mine = of_block;
    cluster_arrive();
    cluster_wait();
    const Summary of_blocks = lane < cluster_ ? *in_cluster_block(&mine, lane) : Summary::neutral();
    cluster_arrive();  // and leave() waits: until all have read, `mine` stays
    return Summary::across(of_blocks, lanes);
  }

  __device__ void leave() const {
    if (cluster_ > 1) cluster_wait();
  }

  std::int64_t row;
  int rank;     // of this thread among the row's owners
  int threads;  // all owners
  int slice = 0;
  Lanes lanes;  // the owners in this thread's warp

 private:
  int warps_ = 1;
  int cluster_ = 1;
};

}  // namespace softwarp
