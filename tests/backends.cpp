#include "tests/backends.h"

#include <softwarp/backend.h>

#include "simulator/simulator.h"

namespace softwarp {

std::vector<std::unique_ptr<Backend>> make_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend(1));
  backends.push_back(make_cpu_backend(2));
  backends.push_back(make_cuda_backend());
  return backends;
}

void DeviceTest::SetUp() { simulator::reset(); }

void DeviceTest::TearDown() {
  EXPECT_EQ(simulator::take_errors(), std::vector<std::string>{});
  EXPECT_EQ(simulator::live_objects(), std::vector<std::string>{});
}

}  // namespace softwarp
