#pragma once

#include <string>

namespace softwarp::cuda {

// Makes the first device that can be used the current one and returns its name; throws Error where there is
// none.
[[nodiscard]] std::string use_first_device();

}  // namespace softwarp::cuda
