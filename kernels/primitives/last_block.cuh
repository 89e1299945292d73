#pragma once

#include <cuda_runtime.h>

namespace softwarp {

// True in all threads of the last block of the launch to arrive; every thread of every block must call it.
// The last block sees all that thread 0 of each block wrote before. *ticket is 0 before a launch and after
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
