// Which devices are listed, and why one is refused.

#include <gtest/gtest.h>
#include <softwarp/backend.h>
#include <softwarp/error.h>

#include <tuple>

#include "simulator/testing.h"

namespace softwarp {
namespace {

class CudaDevices : public simulator::SimulatorTest {
 protected:
  // Nothing is listed as usable, and both ways to ask say why.
  static void expect_refusal(const simulator::Device& device, const std::string& words) {
    simulator::reset(1, device);
    EXPECT_NE(cuda_unavailable_reason().find(words), std::string::npos) << cuda_unavailable_reason();
    try {
      std::ignore = make_cuda_backend();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("no CUDA device: "), 0u) << error.what();
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
    EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "an answer is not left behind as an error";
  }
};

TEST_F(CudaDevices, AreListedWithWhatMatters) {
  simulator::reset(1, simulator::device_of(8, 6));
  const auto devices = cuda_devices();
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].name, "0 Simulated sm_86");
  EXPECT_EQ(devices[0].details, "compute capability 8.6, 84 multiprocessors, 8.0 GiB, driver for CUDA 13.1");
  EXPECT_EQ(devices[0].unavailable_reason, "");
  EXPECT_EQ(cuda_unavailable_reason(), "");
}

TEST_F(CudaDevices, AreRefusedWithAReason) {
  simulator::Device none;
  none.count = 0;
  expect_refusal(none, "the NVIDIA driver finds no device");
  EXPECT_TRUE(cuda_devices().empty());
  simulator::Device no_driver;
  no_driver.driver = cudaErrorInsufficientDriver;
  expect_refusal(no_driver, "there is no NVIDIA driver, or one older than this build's CUDA");
  EXPECT_TRUE(cuda_devices().empty());
  simulator::Device broken;
  broken.driver = cudaErrorInitializationError;
  expect_refusal(broken, "CUDA says cudaErrorInitializationError");
  simulator::Device old;
  old.major = 6, old.minor = 1;
  expect_refusal(old, "0 Simulated sm_61: this build has no kernels for its compute capability");
  EXPECT_EQ(cuda_devices().size(), 1u);
}

TEST_F(CudaDevices, AreTakenByTheirNumberOrAsTheOnlyOne) {
  simulator::Device several;
  several.count = 4;
  simulator::reset(1, several);
  EXPECT_EQ(make_cuda_backend({.device = 2})->name(), "cuda 2 Simulated sm_90, fp32");
  EXPECT_EQ(simulator::calls("cudaSetDevice"), 1) << "no context on another";
  EXPECT_EQ(cuda_unavailable_reason(3), "");
  EXPECT_EQ(cuda_unavailable_reason(4), "number 4: expected a device, found 4 of them");
  simulator::reset();
  EXPECT_EQ(make_cuda_backend({.device = 2})->name(), "cuda 0 Simulated sm_90, fp32");
}

// A context on a device takes its memory and time.
TEST_F(CudaDevices, AreTriedInTheirOrderUntilOneCanBeUsed) {
  simulator::Device several;
  several.count = 4;
  several.busy = 1;
  simulator::reset(1, several);
  EXPECT_EQ(make_cuda_backend()->name(), "cuda 1 Simulated sm_90, fp32");
  EXPECT_EQ(simulator::calls("cudaSetDevice"), 2) << "device 1 can be used: no context on 2 and 3";
  EXPECT_EQ(cuda_unavailable_reason(), "");
  const auto devices = cuda_devices();
  ASSERT_EQ(devices.size(), 4u);
  EXPECT_NE(devices[0].unavailable_reason.find("cudaErrorDevicesUnavailable"), std::string::npos)
      << devices[0].unavailable_reason;
  EXPECT_EQ(devices[1].unavailable_reason, "");
  several.busy = 4;
  expect_refusal(several, "0 Simulated sm_90: CUDA says cudaErrorDevicesUnavailable");
}

}  // namespace
}  // namespace softwarp
