#pragma once

/// @file
/// Errors that softwarp throws.

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace softwarp {

/// Thrown when a device, a library or a file refuses. The message is one line: what failed, where, and what
/// was expected.
class Error : public std::runtime_error {
 public:
  /// Made from its message, as std::runtime_error is.
  using std::runtime_error::runtime_error;
};

/// Checks a precondition, in every build. Throws std::invalid_argument unless `holds`; the message names the
/// precondition (`promise`) and the function that checked it (`where`).
inline void expects(bool holds, std::string_view promise,
                    std::source_location where = std::source_location::current()) {
  if (!holds)
    throw std::invalid_argument(std::string(where.function_name()) + " expects " + std::string(promise));
}

}  // namespace softwarp
