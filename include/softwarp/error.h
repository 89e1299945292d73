#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace softwarp {

/// A device, a library or a file refused. The message is one line: what, where, what was expected.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Checks a precondition, in every build. Throws std::invalid_argument, which names the precondition
/// (`promise`) and the function that checked it, unless `holds`.
inline void expects(bool holds, std::string_view promise,
                    std::source_location where = std::source_location::current()) {
  if (!holds)
    throw std::invalid_argument(std::string(where.function_name()) + " expects " + std::string(promise));
}

}  // namespace softwarp
