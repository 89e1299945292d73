#include "tests/kernels/device.h"

namespace softwarp {

void KernelTest::SetUp() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) GTEST_SKIP() << "no GPU: " << cudaGetErrorString(status);
}

void KernelTest::TearDown() {
  if (IsSkipped()) return;
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

int schedules(int) { return 1; }
void set_schedule(int) {}

std::vector<NamedLimits> devices_to_plan_for() { return {{"this device", device_limits()}}; }

}  // namespace softwarp
