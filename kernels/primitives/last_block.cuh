#pragma once

#include <cuda_runtime.h>

namespace softwarp {

// Whether this block is the last of its launch to come here, told to all its threads, each of which comes;
// what thread 0 of each block wrote before, the last block may read. *ticket is 0 before a launch and 0 after
// it, so that a graph can replay it.
__device__ inline bool is_last_block(unsigned* ticket) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  return last;
}

}  // namespace softwarp
