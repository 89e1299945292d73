#pragma once

#include <cuda_runtime.h>

namespace softwarp {

// Every thread of every kernel calls this before it touches global memory. From compute capability 9.0 on,
// launch() lets a kernel begin while the last blocks of the one before it still run, which hides the time
// that starting takes; what those blocks write is there when this returns. Nobody tells the next kernel to
// begin earlier than that.
__device__ __forceinline__ void pdl_wait() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

}  // namespace softwarp
