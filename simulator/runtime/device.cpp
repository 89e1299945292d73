// The functions of the runtime that describe the device.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "simulator/engine/queue.h"
#include "simulator/engine/state.h"

using namespace softwarp::simulator;

namespace {

cudaError_t check_device(int device) {
  return device >= 0 && device < state().device.count ? cudaSuccess : cudaErrorInvalidDevice;
}

int attribute_of(const Device& device, cudaDeviceAttr attribute) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: return 1024;
    case cudaDevAttrMaxSharedMemoryPerBlock: return static_cast<int>(device.shared_per_block);
    case cudaDevAttrWarpSize: return 32;
    case cudaDevAttrMultiProcessorCount: return device.multiprocessors;
    case cudaDevAttrL2CacheSize: return 32 << 20;
    case cudaDevAttrMaxThreadsPerMultiProcessor: return device.threads_per_multiprocessor;
    case cudaDevAttrComputeCapabilityMajor: return device.major;
    case cudaDevAttrComputeCapabilityMinor: return device.minor;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return static_cast<int>(device.shared_per_multiprocessor);
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: return static_cast<int>(device.shared_per_block_optin);
    case cudaDevAttrMemoryPoolsSupported: return 1;
    case cudaDevAttrClusterLaunch: return device.major >= 9;
  }
  return -1;
}

}  // namespace

int softwarp::simulator::physical_device(int device) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  for (int i = 0; visible != nullptr && i < device; ++i)
    if ((visible = std::strchr(visible, ',')) != nullptr) ++visible;
  return visible == nullptr || *visible == 0 ? device : std::atoi(visible);
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return call("cudaGetDeviceCount", CallKind::plain, [&] {
    *count = state().device.count;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call("cudaGetDevice", CallKind::plain, [&] {
    *device = state().current_device;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", CallKind::plain, [&] {
    if (device >= 0 && device < state().device.busy) return cudaErrorDevicesUnavailable;
    const cudaError_t error = check_device(device);
    if (error == cudaSuccess) state().current_device = device;
    return error;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call("cudaGetDeviceProperties", CallKind::plain, [&] {
    const Device& d = state().device;
    *properties = {};
    std::snprintf(properties->name, sizeof properties->name, "Simulated sm_%d%d", d.major, d.minor);
    properties->totalGlobalMem = d.memory;
    properties->sharedMemPerBlock = d.shared_per_block;
    properties->sharedMemPerBlockOptin = d.shared_per_block_optin;
    properties->sharedMemPerMultiprocessor = d.shared_per_multiprocessor;
    properties->reservedSharedMemPerBlock = d.shared_reserved_per_block;
    properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsPerMultiProcessor = d.threads_per_multiprocessor;
    properties->maxBlocksPerMultiProcessor = d.blocks_per_multiprocessor;
    properties->major = d.major;
    properties->minor = d.minor;
    properties->multiProcessorCount = d.multiprocessors;
    properties->concurrentKernels = properties->memoryPoolsSupported = 1;
    properties->l2CacheSize = attribute_of(d, cudaDevAttrL2CacheSize);
    properties->clusterLaunch = d.major >= 9;
    return check_device(device);
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call("cudaDeviceGetAttribute", CallKind::plain, [&] {
    *value = attribute_of(state().device, attribute);
    return *value < 0 ? cudaErrorInvalidValue : check_device(device);
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  return call("cudaDeviceGetPCIBusId", CallKind::plain, [&] {
    std::snprintf(id, static_cast<std::size_t>(length), "0000:%02x:00.0",
                  static_cast<unsigned>(physical_device(device)));
    return check_device(device);
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", CallKind::unsafe, [] {
    ++state().host.synchronizations;
    run_until_idle();
    return cudaSuccess;
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  return call("cudaDriverGetVersion", CallKind::plain, [&] {
    *version = state().device.driver_version;
    return cudaSuccess;
  });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
