// Which devices there are, and whether this build runs on them.

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <algorithm>

#include "host/backend/cuda/cuda_backend.h"
#include "host/backend/cuda/first_device.h"
#include "host/backend/error.h"
#include "kernels/device.h"
#include "kernels/launch.h"

namespace softwarp {
namespace {

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

CudaDevice describe(int index) {
  cudaDeviceProp properties{};
  int driver = 0;
  check(cudaGetDeviceProperties(&properties, index));
  check(cudaDriverGetVersion(&driver));
  CudaDevice device;
  device.name = fmt::format("{} {}", index, properties.name);
  device.details =
      fmt::format("compute capability {}.{}, {} multiprocessors, {:.1f} GiB, driver for CUDA {}",
                  properties.major, properties.minor, properties.multiProcessorCount,
                  static_cast<double>(properties.totalGlobalMem) / (1 << 30), version_text(driver));
  check(cudaSetDevice(index));
  if (!built_for_device()) device.refusal = "this build has no kernels for its compute capability";
  return device;
}

struct Listing {
  std::vector<CudaDevice> devices;
  std::string refusal;  // why none of them can be used; empty: one can
};

Listing list_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();  // an answer: it must not be said again to whoever asks next
  if (status == cudaErrorInsufficientDriver)
    return {{}, "there is no NVIDIA driver, or one older than this build's CUDA"};
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
    return {{}, "the NVIDIA driver finds no device"};
  if (status != cudaSuccess)
    return {{}, fmt::format("CUDA says {}, {}", cudaGetErrorName(status), cudaGetErrorString(status))};
  Listing listing;
  for (int i = 0; i < count; ++i) listing.devices.push_back(describe(i));
  const auto usable = [](const CudaDevice& device) { return device.refusal.empty(); };
  if (std::ranges::none_of(listing.devices, usable))
    listing.refusal = fmt::format("{}: {}", listing.devices.front().name, listing.devices.front().refusal);
  return listing;
}

}  // namespace

std::vector<CudaDevice> cuda_devices() { return list_devices().devices; }
std::string cuda_refusal() { return list_devices().refusal; }

namespace cuda {

std::string use_first_device() {
  const Listing listing = list_devices();
  if (!listing.refusal.empty()) throw Error("no CUDA device: " + listing.refusal);
  const auto usable =
      std::ranges::find_if(listing.devices, [](const CudaDevice& d) { return d.refusal.empty(); });
  check(cudaSetDevice(static_cast<int>(usable - listing.devices.begin())));
  return usable->name;
}

}  // namespace cuda
}  // namespace softwarp
