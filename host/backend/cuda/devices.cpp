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

struct Found {
  int count = 0;
  std::string refusal;  // of the driver
};

Found find_devices() {
  Found found;
  const cudaError_t status = cudaGetDeviceCount(&found.count);
  cudaGetLastError();  // an answer, not a failure of whoever comes next
  if (status == cudaErrorInsufficientDriver)
    found.refusal = "there is no NVIDIA driver, or one older than this build's CUDA";
  else if (status == cudaErrorNoDevice || (status == cudaSuccess && found.count == 0))
    found.refusal = "the NVIDIA driver finds no device";
  else if (status != cudaSuccess)
    found.refusal = fmt::format("CUDA says {}, {}", cudaGetErrorName(status), cudaGetErrorString(status));
  if (status != cudaSuccess) found.count = 0;
  return found;
}

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

}  // namespace

std::vector<CudaDevice> cuda_devices() {
  std::vector<CudaDevice> devices;
  const int count = find_devices().count;
  for (int i = 0; i < count; ++i) devices.push_back(describe(i));
  return devices;
}

std::string cuda_refusal() {
  if (const Found found = find_devices(); !found.refusal.empty()) return found.refusal;
  const auto devices = cuda_devices();
  if (std::ranges::any_of(devices, [](const CudaDevice& d) { return d.refusal.empty(); })) return "";
  return fmt::format("{}: {}", devices.front().name, devices.front().refusal);
}

namespace cuda {

std::string use_first_device() {
  if (const std::string refusal = cuda_refusal(); !refusal.empty()) throw Error("no CUDA device: " + refusal);
  const auto devices = cuda_devices();
  const auto usable = std::ranges::find_if(devices, [](const CudaDevice& d) { return d.refusal.empty(); });
  if (usable == devices.end()) throw Error("no CUDA device: none can be used any more");
  check(cudaSetDevice(static_cast<int>(usable - devices.begin())));
  return usable->name;
}

}  // namespace cuda
}  // namespace softwarp
