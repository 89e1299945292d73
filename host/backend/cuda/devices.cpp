// Which devices there are, and whether this build runs on them.

#include <cuda_runtime.h>
#include <fmt/format.h>
#include <softwarp/backend.h>
#include <softwarp/error.h>

#include <algorithm>
#include <optional>

#include "host/backend/cuda/use_device.h"
#include "kernels/primitives/device.h"
#include "kernels/primitives/launch.h"

namespace softwarp {
namespace {

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

std::string text_of(cudaError_t status) {
  cudaGetLastError();  // an answer: it must not be said again to whoever asks next
  return fmt::format("CUDA says {}, {}", cudaGetErrorName(status), cudaGetErrorString(status));
}

// Makes the device the current one, with a context on it. Why it cannot be used, such as another process's
// exclusive use of it; empty: it can.
std::string make_current(int index) {
  if (const cudaError_t status = cudaSetDevice(index); status != cudaSuccess) return text_of(status);
  try {
    return built_for_device() ? "" : "this build has no kernels for its compute capability";
  } catch (const Error& error) {
    cudaGetLastError();
    return error.what();
  }
}

// Describes the device and makes it the current one, if it can be used. Nothing that is wrong with one device
// is an error: there may be others.
CudaDevice try_device(int index) {
  CudaDevice device;
  device.name = fmt::format("{}", index);
  cudaDeviceProp properties{};
  int driver = 0;
  cudaError_t status = cudaGetDeviceProperties(&properties, index);
  if (status == cudaSuccess) status = cudaDriverGetVersion(&driver);
  if (status != cudaSuccess) {
    device.unavailable_reason = text_of(status);
    return device;
  }
  device.name += fmt::format(" {}", properties.name);
  device.details =
      fmt::format("compute capability {}.{}, {} multiprocessors, {:.1f} GiB, driver for CUDA {}",
                  properties.major, properties.minor, properties.multiProcessorCount,
                  static_cast<double>(properties.totalGlobalMem) / (1 << 30), version_text(driver));
  device.unavailable_reason = make_current(index);
  return device;
}

// How many devices the driver has; if none, why.
int count_devices(std::string& unavailable_reason) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (status == cudaErrorInsufficientDriver)
    unavailable_reason = "there is no NVIDIA driver, or one older than this build's CUDA";
  else if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
    unavailable_reason = "the NVIDIA driver finds no device";
  else if (status != cudaSuccess)
    unavailable_reason = text_of(status);
  return unavailable_reason.empty() ? count : 0;
}

// Makes this device, or for -1 the first that can be used, the current one, and touches none behind it.
// `unavailable_reason`: why none can be used, as the first one says.
std::optional<CudaDevice> find_usable(int only, std::string& unavailable_reason) {
  const int count = count_devices(unavailable_reason);
  if (count == 1) only = 0;
  if (only >= count && unavailable_reason.empty())
    unavailable_reason = fmt::format("number {}: expected a device, found {} of them", only, count);
  for (int i = std::max(only, 0); i < (only < 0 ? count : std::min(count, only + 1)); ++i) {
    CudaDevice device = try_device(i);
    if (device.unavailable_reason.empty()) return device;
    if (unavailable_reason.empty())
      unavailable_reason = fmt::format("{}: {}", device.name, device.unavailable_reason);
  }
  return std::nullopt;
}

}  // namespace

std::vector<CudaDevice> cuda_devices() {
  std::string unavailable_reason;
  std::vector<CudaDevice> devices;
  const int count = count_devices(unavailable_reason);
  devices.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) devices.push_back(try_device(i));
  return devices;
}

std::string cuda_unavailable_reason(int device) {
  std::string unavailable_reason;
  return find_usable(device, unavailable_reason) ? "" : unavailable_reason;
}

namespace cuda {

std::string use_device(int number) {
  std::string unavailable_reason;
  const auto device = find_usable(number, unavailable_reason);
  if (!device) throw Error("no CUDA device: " + unavailable_reason);
  return device->name;
}

}  // namespace cuda
}  // namespace softwarp
