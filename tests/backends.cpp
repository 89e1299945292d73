#include "tests/backends.h"

namespace softwarp {

std::vector<std::unique_ptr<Backend>> make_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend(1));
  backends.push_back(make_cpu_backend(2));
  return backends;
}

}  // namespace softwarp
