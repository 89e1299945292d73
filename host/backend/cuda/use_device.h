#pragma once

#include <string>

namespace softwarp::cuda {

// Makes the device that CudaOptions::device says the current one and returns its name; throws Error if it
// cannot be used.
[[nodiscard]] std::string use_device(int device);

}  // namespace softwarp::cuda
