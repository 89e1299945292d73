#include "kernels/device.h"

#include <cuda_runtime.h>

#include <atomic>

#include "kernels/launch.h"

namespace softwarp {
namespace {

std::atomic<const DeviceLimits*> assumed = nullptr;

DeviceLimits ask() {
  int device = 0, major = 0, shared_bytes = 0;
  DeviceLimits limits;
  check(cudaGetDevice(&device));
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  check(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  check(cudaDeviceGetAttribute(&limits.multiprocessors, cudaDevAttrMultiProcessorCount, device));
  limits.shared_bytes = static_cast<std::size_t>(shared_bytes);
  limits.clusters = limits.early_launch = major >= 9;
  return limits;
}

__global__ void probe_kernel() {}

}  // namespace

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
  static const DeviceLimits limits = ask();
  return limits;
}

void assume_device_limits(const DeviceLimits* limits) { assumed = limits; }

}  // namespace softwarp
