#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace softwarp {

// Something outside the program said no: a device, a library, a file. The message is one line: what,
// where, what was expected.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A promise of the caller, checked always. Throws std::invalid_argument naming the promise and the
// function that asked for it.
inline void expects(bool holds, std::string_view promise,
                    std::source_location where = std::source_location::current()) {
  if (!holds)
    throw std::invalid_argument(std::string(where.function_name()) + " expects " + std::string(promise));
}

}  // namespace softwarp
