#include <string>

#include "simulator/simulator.h"
#include "tests/kernels/device.h"

namespace softwarp {

void KernelTest::SetUp() { simulator::reset(); }

void KernelTest::TearDown() {
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(simulator::take_errors(), std::vector<std::string>{});
  EXPECT_EQ(simulator::live_objects(), std::vector<std::string>{});
}

int schedules(int wanted) { return wanted; }
void set_schedule(int schedule) { simulator::set_seed(static_cast<std::uint64_t>(schedule) + 1); }

std::vector<NamedLimits> devices_to_plan_for() {
  const auto limits = [](int major, int minor) {
    const simulator::Device device = simulator::device_of(major, minor);
    return DeviceLimits{.multiprocessors = device.multiprocessors,
                        .shared_bytes = device.shared_per_block_optin,
                        .clusters = major >= 9,
                        .programmatic_launch = major >= 9};
  };
  return {{"compute capability 7.5", limits(7, 5)},
          {"8.0", limits(8, 0)},
          {"8.6", limits(8, 6)},
          {"9.0", limits(9, 0)},
          {"12.0", limits(12, 0)}};
}

}  // namespace softwarp
