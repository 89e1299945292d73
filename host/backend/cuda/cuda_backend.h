#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/backend/backend.h"

namespace softwarp {

// A CUDA device of this machine, as `softwarp devices` shows it.
struct CudaDevice {
  std::string name;
  std::string details;             // compute capability, multiprocessors, memory, driver
  std::string unavailable_reason;  // why this build cannot use it; empty: it can
};

// Empty without a driver. A build without CUDA links without_cuda.cpp in place of what asks the driver.
[[nodiscard]] std::vector<CudaDevice> cuda_devices();

// Why make_cuda_backend would throw, in one line; empty: it would not.
[[nodiscard]] std::string cuda_refusal();

// How linear layers multiply: floats, or floats rounded to 10 (tf32) or 7 (bf16) bits of mantissa by tensor
// cores. Sums are float in each.
enum class CudaPrecision { fp32, tf32, bf16 };
inline constexpr std::array<std::pair<std::string_view, CudaPrecision>, 3> kCudaPrecisions{
    {{"fp32", CudaPrecision::fp32}, {"tf32", CudaPrecision::tf32}, {"bf16", CudaPrecision::bf16}}};

struct CudaOptions {
  CudaPrecision precision = CudaPrecision::fp32;
  // Time each linear layer's fused and unfused ways once, and keep the faster; the two may differ in last
  // bits.
  bool tune = false;
};

// On the first device that can be used: its memory, and one stream that all work is on. Throws Error with
// cuda_refusal() where there is none.
[[nodiscard]] std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options = {});

}  // namespace softwarp
