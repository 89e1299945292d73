#pragma once

// Owners of the handles of CUDA and cuBLASLt. A handle is destroyed with its owner; an error there cannot
// be helped any more and is left alone.

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <memory>
#include <source_location>
#include <type_traits>

#include "kernels/primitives/launch.h"

namespace softwarp::cuda {

template <class T, auto deallocate>
struct GiveBack {
  void operator()(T handle) const noexcept { deallocate(handle); }
};
template <class T, auto deallocate>
using Handle = std::unique_ptr<std::remove_pointer_t<T>, GiveBack<T, deallocate>>;

using Stream = Handle<cudaStream_t, cudaStreamDestroy>;
using Event = Handle<cudaEvent_t, cudaEventDestroy>;
using Graph = Handle<cudaGraph_t, cudaGraphDestroy>;
using GraphExec = Handle<cudaGraphExec_t, cudaGraphExecDestroy>;
using DeviceMemory = Handle<void*, cudaFree>;
using HostMemory = Handle<void*, cudaFreeHost>;
using LtHandle = Handle<cublasLtHandle_t, cublasLtDestroy>;
using MatrixLayout = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using MatmulDesc = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using MatmulPreference = Handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

// Throws softwarp::Error with what cuBLASLt said and where it was asked.
void check(cublasStatus_t status, std::source_location where = std::source_location::current());
using softwarp::check;

// make<Stream>(cudaStreamCreateWithFlags, cudaStreamNonBlocking): what the call makes is owned at once.
template <class Owner, class Create, class... Args>
Owner make(Create create, const Args&... args) {
  typename Owner::pointer handle = nullptr;
  check(create(&handle, args...));
  return Owner(handle);
}

}  // namespace softwarp::cuda
