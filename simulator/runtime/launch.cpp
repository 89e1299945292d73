// cudaLaunchKernelEx: checks the configuration as the runtime does, then queues the kernel.

#include "simulator/device/hooks.h"
#include "simulator/engine/kernel.h"
#include "simulator/engine/memory.h"
#include "simulator/engine/queue.h"
#include "simulator/engine/report.h"
#include "simulator/engine/state.h"

namespace softwarp::simulator {

namespace {

constexpr unsigned kMostThreads = 1024;

bool within(const dim3& d, unsigned x, unsigned y, unsigned z) {
  return d.x > 0 && d.y > 0 && d.z > 0 && d.x <= x && d.y <= y && d.z <= z;
}

std::int64_t count(const dim3& d) { return std::int64_t{d.x} * d.y * d.z; }

cudaError_t check_shape(const Launch& launch) {
  const dim3& b = launch.block;
  if (!within(launch.grid, 0x7fffffff, 65535, 65535) || !within(b, kMostThreads, kMostThreads, 64) ||
      b.x * b.y * b.z > kMostThreads)
    return cudaErrorInvalidConfiguration;
  return cudaSuccess;
}

// A GPU would run it, and nobody in it would wait for anybody.
cudaError_t check_code(const Launch& launch, const std::string& what) {
  if (compiled_for() >= 90) return cudaSuccess;
  report("kernel " + symbol_name(launch.kernel) + " is launched with " + what +
         ", but compiled for compute capability " + std::to_string(compiled_for()) + ", which has none");
  return cudaErrorNotSupported;
}

cudaError_t check_cluster(const Launch& launch, const KernelEntry& entry) {
  const Device& device = state().device;
  const dim3& c = launch.cluster;
  if (c.x == 1 && c.y == 1 && c.z == 1) return cudaSuccess;
  if (device.major < 9) return cudaErrorNotSupported;
  if (device.clusters != cudaSuccess) return device.clusters;
  if (const cudaError_t refused = check_code(launch, "clusters"); refused != cudaSuccess) return refused;
  const auto largest = static_cast<unsigned>(device.largest_cluster) * (entry.large_clusters ? 2 : 1);
  if (c.x == 0 || c.y == 0 || c.z == 0 || c.x * c.y * c.z > largest) return cudaErrorInvalidClusterSize;
  if (launch.grid.x % c.x != 0 || launch.grid.y % c.y != 0 || launch.grid.z % c.z != 0)
    return cudaErrorInvalidConfiguration;
  return cudaSuccess;
}

cudaError_t check_shared(const Launch& launch) {
  return launch.shared_bytes <= most_dynamic_shared(launch.kernel) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t read_attributes(const cudaLaunchConfig_t& config, Launch& launch) {
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id == cudaLaunchAttributeClusterDimension)
      launch.cluster = {attribute.val.clusterDim.x, attribute.val.clusterDim.y, attribute.val.clusterDim.z};
    if (attribute.id == cudaLaunchAttributeProgrammaticStreamSerialization &&
        attribute.val.programmaticStreamSerializationAllowed != 0) {
      if (state().device.major < 9) return cudaErrorNotSupported;
      if (const cudaError_t refused = check_code(launch, "programmatic serialization");
          refused != cudaSuccess)
        return refused;
      launch.programmatic = true;
    }
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body) {
  return call("cudaLaunchKernelExC", CallKind::plain, [&] {
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    CUstream_st* stream = find_stream(config.stream);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    KernelEntry& entry = kernel_entry(kernel);
    Launch launch{.kernel = kernel,
                  .grid = config.gridDim,
                  .block = config.blockDim,
                  .cluster = {1, 1, 1},
                  .shared_bytes = config.dynamicSmemBytes,
                  .body = std::move(body),
                  .counters = &entry.run.counters};
    for (const cudaError_t refused :
         {read_attributes(config, launch), check_shape(launch), check_cluster(launch, entry),
          check_shared(launch), load_kernel(kernel)})
      if (refused != cudaSuccess) return refused;
    entry.run.blocks = count(launch.grid);
    entry.run.threads = static_cast<int>(count(launch.block));
    entry.run.cluster = static_cast<int>(count(launch.cluster));
    entry.run.shared_bytes = launch.shared_bytes;
    return submit(*stream, [launch]() mutable { return run(launch); });
  });
}

cudaError_t queue_library_work(const char* what, cudaStream_t handle, const std::vector<Extent>& touched,
                               std::function<cudaError_t()> work) {
  CUstream_st* stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  return submit(*stream, [what = std::string(what), touched, work = std::move(work)] {
    for (const Extent& extent : touched)
      if (extent.bytes > 0 && !contains(Memory::device, extent.pointer, extent.bytes)) {
        report(what + ": " + std::to_string(extent.bytes) + " bytes reach beyond device memory");
        return cudaErrorIllegalAddress;
      }
    return work();
  });
}

cudaError_t run_on_device(const char* what, cudaStream_t stream, const std::vector<Extent>& touched,
                          std::function<cudaError_t()> work) {
  return call(what, CallKind::plain, [&] {
    const cudaError_t refused = load_from_library(what);
    return refused != cudaSuccess ? refused : queue_library_work(what, stream, touched, std::move(work));
  });
}

}  // namespace softwarp::simulator
