// The runtime's calls about a kernel: attributes, occupancy, loading.

#include <algorithm>

#include "simulator/engine/image.h"
#include "simulator/engine/kernel.h"
#include "simulator/engine/queue.h"
#include "simulator/engine/report.h"
#include "simulator/engine/state.h"

namespace softwarp::simulator {

namespace {

cudaError_t refuse_in_capture(const std::string& what) {
  Capture* const capture = capture_in_danger();
  if (capture == nullptr) return cudaSuccess;
  capture->valid = false;
  report(what + " while a stream captures");
  return cudaErrorStreamCaptureUnsupported;
}

// As if registers never were the limit.
int resident_blocks(const void* kernel, int threads, std::size_t dynamic_bytes) {
  const Device& device = state().device;
  const std::size_t bytes = static_shared_bytes(kernel) + dynamic_bytes + device.shared_reserved_per_block;
  const int by_threads =
      std::min(device.threads_per_multiprocessor / threads, device.blocks_per_multiprocessor);
  return bytes == 0 ? by_threads
                    : std::min(by_threads, static_cast<int>(device.shared_per_multiprocessor / bytes));
}

unsigned cluster_size(const cudaLaunchConfig_t& config) {
  unsigned size = 1;
  for (unsigned i = 0; i < config.numAttrs; ++i)
    if (config.attrs[i].id == cudaLaunchAttributeClusterDimension) {
      const auto& shape = config.attrs[i].val.clusterDim;
      size = shape.x * shape.y * shape.z;
    }
  return size;
}

cudaError_t set_most_dynamic_shared(const void* kernel, int value) {
  const std::size_t optin = state().device.shared_per_block_optin;
  if (value < 0 || static_cast<std::size_t>(value) + static_shared_bytes(kernel) > optin)
    return cudaErrorInvalidValue;
  kernel_entry(kernel).most_dynamic_shared[state().current_device] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

}  // namespace

// cuda.h, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES.
std::size_t most_dynamic_shared(const void* kernel) {
  const Device& device = state().device;
  const auto& asked = kernel_entry(kernel).most_dynamic_shared;
  const auto found = asked.find(state().current_device);
  const std::size_t shared = static_shared_bytes(kernel);
  const auto beside = [&](std::size_t limit) { return limit > shared ? limit - shared : 0; };
  return found == asked.end() ? beside(device.shared_per_block)
                              : std::min(found->second, beside(device.shared_per_block_optin));
}

int compiled_for() {
  const Device& device = state().device;
  return device.compiled_for != 0 ? device.compiled_for : 10 * device.major + device.minor;
}

cudaError_t load_kernel(const void* kernel) {
  KernelEntry& entry = kernel_entry(kernel);
  if (entry.loaded) return cudaSuccess;
  const cudaError_t refused =
      refuse_in_capture("kernel " + symbol_name(kernel) + " is used for the first time");
  entry.loaded = refused == cudaSuccess;
  return refused;
}

cudaError_t load_from_library(const std::string& what) {
  if (state().loaded.contains(what)) return cudaSuccess;
  const cudaError_t refused = refuse_in_capture(what + " is used for the first time");
  if (refused == cudaSuccess) state().loaded.insert(what);
  return refused;
}

}  // namespace softwarp::simulator

using namespace softwarp::simulator;

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return call("cudaFuncSetAttribute", CallKind::plain, [&] {
    if (const auto refused = refuse_in_capture("an attribute of kernel " + symbol_name(kernel) + " is set");
        refused != cudaSuccess)
      return refused;
    load_kernel(kernel);
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize)
      return set_most_dynamic_shared(kernel, value);
    if (attribute == cudaFuncAttributeNonPortableClusterSizeAllowed)
      kernel_entry(kernel).large_clusters = value != 0;
    return cudaSuccess;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  constexpr int kOldest = 75;  // as if nvcc had compiled for that and all later ones
  return call("cudaFuncGetAttributes", CallKind::plain, [&] {
    *attributes = {};
    const int device = 10 * state().device.major + state().device.minor;
    if (device < std::max(kOldest, state().device.compiled_for)) return cudaErrorNoKernelImageForDevice;
    if (const cudaError_t refused = load_kernel(kernel); refused != cudaSuccess) return refused;
    attributes->sharedSizeBytes = static_shared_bytes(kernel);
    attributes->maxThreadsPerBlock = 1024;
    attributes->numRegs = 32;
    attributes->ptxVersion = compiled_for();
    attributes->binaryVersion = device;
    attributes->maxDynamicSharedSizeBytes = static_cast<int>(most_dynamic_shared(kernel));
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel, int threads,
                                                          std::size_t shared_bytes) {
  return call("cudaOccupancyMaxActiveBlocksPerMultiprocessor", CallKind::plain, [&] {
    if (threads <= 0 || threads > 1024) return cudaErrorInvalidValue;
    if (const cudaError_t refused = load_kernel(kernel); refused != cudaSuccess) return refused;
    *blocks = resident_blocks(kernel, threads, shared_bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void* kernel,
                                           const cudaLaunchConfig_t* config) {
  return call("cudaOccupancyMaxActiveClusters", CallKind::plain, [&] {
    const Device& device = state().device;
    if (device.major < 9) return cudaErrorNotSupported;
    if (device.clusters != cudaSuccess) return device.clusters;
    if (const cudaError_t refused = load_kernel(kernel); refused != cudaSuccess) return refused;
    const unsigned size = cluster_size(*config);
    const unsigned largest =
        static_cast<unsigned>(device.largest_cluster) * (kernel_entry(kernel).large_clusters ? 2 : 1);
    if (size == 0 || size > largest) return cudaErrorInvalidClusterSize;
    const auto threads = static_cast<int>(config->blockDim.x * config->blockDim.y * config->blockDim.z);
    if (threads <= 0 || threads > 1024) return cudaErrorInvalidConfiguration;
    if (config->dynamicSmemBytes > most_dynamic_shared(kernel)) return cudaErrorInvalidValue;
    *clusters = resident_blocks(kernel, threads, config->dynamicSmemBytes) * device.multiprocessors /
                static_cast<int>(size);
    return cudaSuccess;
  });
}
