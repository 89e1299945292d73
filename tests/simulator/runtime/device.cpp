// What the runtime tells of the device.

#include <algorithm>
#include <cstdio>

#include "tests/simulator/engine/queue.h"
#include "tests/simulator/engine/state.h"

using namespace softwarp::simulator;

namespace {

constexpr int kBlocksPerMultiprocessor = 32;
constexpr std::size_t kReservedPerBlock = 1024;
constexpr int kOldestBuiltFor =
    75;  // compute capability, as if nvcc had compiled for that and all later ones

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

// As if registers never were the limit.
int resident_blocks(const Device& device, int threads, std::size_t shared_bytes) {
  const auto by_shared = device.shared_per_multiprocessor / (shared_bytes + kReservedPerBlock);
  return std::min(
      {device.threads_per_multiprocessor / threads, static_cast<int>(by_shared), kBlocksPerMultiprocessor});
}

}  // namespace

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return call("cudaGetDeviceCount", CallKind::plain, [&] {
    *count = state().device.count;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call("cudaGetDevice", CallKind::plain, [&] {
    *device = state().current;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", CallKind::plain, [&] {
    if (device >= 0 && device < state().device.busy) return cudaErrorDevicesUnavailable;
    const cudaError_t status = device == 0 ? cudaSuccess : check_device(device);
    if (status == cudaSuccess) state().current = device;
    return status;
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
    properties->reservedSharedMemPerBlock = kReservedPerBlock;
    properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsPerMultiProcessor = d.threads_per_multiprocessor;
    properties->maxBlocksPerMultiProcessor = kBlocksPerMultiprocessor;
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

cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", CallKind::unsafe, [] {
    ++state().host.synchronizations;
    run_until_idle();
    return cudaSuccess;
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  return call("cudaDriverGetVersion", CallKind::plain, [&] {
    *version = CUDART_VERSION;
    return cudaSuccess;
  });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return call("cudaFuncSetAttribute", CallKind::plain, [&] {
    KernelEntry& entry = kernel_entry(kernel);
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
      if (value < 0 || static_cast<std::size_t>(value) > state().device.shared_per_block_optin)
        return cudaErrorInvalidValue;
      entry.most_dynamic_shared = static_cast<std::size_t>(value);
    }
    if (attribute == cudaFuncAttributeNonPortableClusterSizeAllowed) entry.large_clusters = value != 0;
    return cudaSuccess;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  return call("cudaFuncGetAttributes", CallKind::plain, [&] {
    *attributes = {};
    if (10 * state().device.major + state().device.minor < kOldestBuiltFor)
      return cudaErrorNoKernelImageForDevice;
    attributes->maxThreadsPerBlock = 1024;
    attributes->numRegs = 32;
    attributes->ptxVersion = attributes->binaryVersion = 10 * state().device.major + state().device.minor;
    attributes->maxDynamicSharedSizeBytes =
        static_cast<int>(std::max(kernel_entry(kernel).most_dynamic_shared, state().device.shared_per_block));
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads,
                                                          std::size_t shared_bytes) {
  return call("cudaOccupancyMaxActiveBlocksPerMultiprocessor", CallKind::plain, [&] {
    if (threads <= 0 || threads > 1024) return cudaErrorInvalidValue;
    *blocks = resident_blocks(state().device, threads, shared_bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void* kernel,
                                           const cudaLaunchConfig_t* config) {
  return call("cudaOccupancyMaxActiveClusters", CallKind::plain, [&] {
    const Device& device = state().device;
    if (device.major < 9) return cudaErrorNotSupported;
    unsigned size = 1;
    for (unsigned i = 0; i < config->numAttrs; ++i)
      if (config->attrs[i].id == cudaLaunchAttributeClusterDimension) {
        const auto& shape = config->attrs[i].val.clusterDim;
        size = shape.x * shape.y * shape.z;
      }
    const unsigned largest =
        static_cast<unsigned>(device.largest_cluster) * (kernel_entry(kernel).large_clusters ? 2 : 1);
    if (size == 0 || size > largest) return cudaErrorInvalidClusterSize;
    const auto threads = static_cast<int>(config->blockDim.x * config->blockDim.y * config->blockDim.z);
    if (threads <= 0 || threads > 1024) return cudaErrorInvalidConfiguration;
    *clusters = resident_blocks(device, threads, config->dynamicSmemBytes) * device.multiprocessors /
                static_cast<int>(size);
    return cudaSuccess;
  });
}
