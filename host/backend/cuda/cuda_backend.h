#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/backend/backend.h"

namespace softwarp {

// A CUDA device of this machine, as `softwarp devices` shows it.
struct CudaDevice {
  std::string name;
  std::string details;  // compute capability, multiprocessors, memory, driver
  std::string refusal;  // why this build cannot use it; empty: it can
};

// Empty without a driver. A build without CUDA links without_cuda.cpp in place of what asks the driver.
std::vector<CudaDevice> cuda_devices();

// Why make_cuda_backend would throw, in one line; empty: it would not.
std::string cuda_refusal();

// Throws Error with cuda_refusal() where no device can be used.
std::unique_ptr<Backend> make_cuda_backend();

}  // namespace softwarp
