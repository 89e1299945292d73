#include "kernels/primitives/device.h"

#include <cuda_runtime.h>

#include <atomic>

#include "kernels/primitives/launch.h"

namespace softwarp {
namespace {

std::atomic<const DeviceLimits*> assumed = nullptr;

__global__ void probe_kernel() {}

}  // namespace

DeviceLimits ask_device_limits() {
  int device = 0, shared_bytes = 0;
  DeviceLimits limits;
  cudaFuncAttributes code{};
  check(cudaGetDevice(&device));
  check(cudaFuncGetAttributes(&code, probe_kernel));
  check(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  check(cudaDeviceGetAttribute(&limits.multiprocessors, cudaDevAttrMultiProcessorCount, device));
  limits.shared_bytes = static_cast<std::size_t>(shared_bytes);
  // __CUDA_ARCH__ / 10. binaryVersion is the device's own where the driver has compiled older PTX for it.
  limits.clusters = limits.programmatic_launch = code.ptxVersion >= 90;
  return limits;
}

bool built_for_device() {
  cudaFuncAttributes attributes{};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, probe_kernel);
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction) {
    cudaGetLastError();  // an answer: it must not be said again to whoever asks next
    return false;
  }
  check(status);
  return true;
}

const DeviceLimits& device_limits() {
  if (const DeviceLimits* limits = assumed) return *limits;
  static const DeviceLimits limits = ask_device_limits();
  return limits;
}

void assume_device_limits(const DeviceLimits* limits) { assumed = limits; }

}  // namespace softwarp
