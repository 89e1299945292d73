#pragma once

#include <string>
#include <string_view>

#include "host/io/number_table.h"

namespace softwarp {

// True of bytes that begin as a .npy file does.
[[nodiscard]] bool is_npy(std::string_view bytes);

// An array of one or two dimensions, in either order of bytes and of elements: bool, integers of 8 to 64 bits
// (rounded to double beyond 2^53), floats of 16 to 64 bits. Throws Error, which names `name`.
[[nodiscard]] NumberTable parse_npy(std::string_view bytes, const std::string& name);

}  // namespace softwarp
