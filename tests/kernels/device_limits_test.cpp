// Launches on every kind of device, on a part of one, and of code that is older than the device: none asks
// for what is not there.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/row_reduce/dispatch.cuh"
#include "kernels/softmax_op.cuh"
#include "simulator/simulator.h"
#include "tests/kernels/row_ops.h"

namespace softwarp {
namespace {

using simulator::Device;
using simulator::device_of;

constexpr std::size_t kWithoutOptIn = 48 << 10;

bool ran_with(std::size_t shared_bytes) {
  return std::ranges::any_of(simulator::kernels_run(), [&](const simulator::KernelRun& run) {
    return run.shared_bytes == shared_bytes;
  });
}

template <class T>
class SharedMemory : public KernelTest {};
using Types = testing::Types<double, float, float16, bfloat16>;
TYPED_TEST_SUITE(SharedMemory, Types);

TYPED_TEST(SharedMemory, IsThereForEveryRowThatABlockKeeps) {
  using T = TypeParam;
  for (const auto& [major, minor] : {std::pair{7, 5}, {8, 0}, {8, 6}, {9, 0}, {12, 0}}) {
    const Device device = device_of(major, minor);
    simulator::reset(1, device);
    const Assume assume(ask_device_limits());
    const double most = std::floor((static_cast<double>(device.shared_per_block_optin) - 2048) / 8192) * 8;
    // KiB: all that there is without opt-in, for one input and for two, and as much as fits.
    for (const double kilobytes : {48.0, 24.0, most, most / 2}) {
      const auto block_summary =
          static_cast<std::int64_t>(kilobytes * 1024) / static_cast<std::int64_t>(sizeof(T));
      const std::int64_t cols = block_summary * (device_limits().clusters ? kMaxClusterBlocks : 1);
      RowOps<T> ops({1, 0, 0}, cols);
      ops.each([&](const NamedRowOp& op, const std::function<void()>& run) {
        SCOPED_TRACE(testing::Message() << op.name << ", " << cols << " columns, " << major << "." << minor);
        EXPECT_NO_THROW(run());
      });
      EXPECT_NO_THROW(ops.smoothed_cross_entropy());
      EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
      if (kilobytes == 48) {
        EXPECT_TRUE(ran_with(kWithoutOptIn)) << "the boundary is tested";
      }
    }
  }
}

// A recording does not run, so its memory may be made up.
TYPED_TEST(SharedMemory, IsThereForEveryJacobian) {
  using T = TypeParam;
  const Placed<T> y({1, 0, 0}, 8), jacobian({8, 0, 0}, 8);
  softmax_jacobian<T>(y.const_view(), jacobian.view(), nullptr);
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  constexpr std::int64_t kMost = kWithoutOptIn / sizeof(T);
  for (const std::int64_t cols : {kMost - 8, kMost, kMost + 8}) {
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_NO_THROW(softmax_jacobian<T>({y.view().data, 1, cols, cols},
                                        {jacobian.view().data, cols, cols, cols}, stream));
    ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  }
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

// An op whose kernels no other test has used: what is asked once of a kernel is asked here.
template <int kTest>
struct OwnSoftmax : Softmax<float, float, false> {};

class DeviceLimitsTest : public KernelTest {
 protected:
  // Runs a row of ones, each of which must become 1 / cols, and returns how it was launched.
  template <int kTest>
  static simulator::KernelRun run(std::int64_t cols) {
    const Placed<float> x({1, 0, 0}, cols, std::vector<float>(static_cast<std::size_t>(cols), 1.0f));
    simulator::reset_counters();
    launch_rows(OwnSoftmax<kTest>{{{}, x.const_view(), x.view()}}, {}, nullptr);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    for (const float y : x.values()) EXPECT_NEAR(y * static_cast<float>(cols), 1, 1e-6);
    const auto runs = simulator::kernels_run();
    EXPECT_EQ(runs.size(), 1u);
    return runs.empty() ? simulator::KernelRun{} : runs.front();
  }
};

constexpr std::int64_t kHeldByACluster = 100000, kLongerThanAClusterHolds = 140000;

// Whoever comes next finds the same limit, even between another's asking and launching.
TEST_F(DeviceLimitsTest, AreRaisedOnceToTheHighest) {
  simulator::reset(1, device_of(8, 0));
  const Assume assume(ask_device_limits());
  const auto kernel = two_pass_rows_kernel<OwnSoftmax<1>>;
  for (const std::int64_t cols : {20000, 70000, 30000}) {
    EXPECT_GT(run<1>(cols).shared_bytes, kWithoutOptIn);
    EXPECT_EQ(simulator::calls("cudaFuncSetAttribute"), cols == 20000 ? 1 : 0);
    cudaFuncAttributes attributes{};
    ASSERT_EQ(cudaFuncGetAttributes(&attributes, kernel), cudaSuccess);
    EXPECT_GT(attributes.sharedSizeBytes, 0u);
    EXPECT_EQ(static_cast<std::size_t>(attributes.maxDynamicSharedSizeBytes) + attributes.sharedSizeBytes,
              device_of(8, 0).shared_per_block_optin);
  }
}

TEST_F(DeviceLimitsTest, AreRaisedOnEachDevice) {
  Device device = device_of(8, 0);
  device.count = 2;
  simulator::reset(1, device);
  const Assume assume(ask_device_limits());
  for (const int index : {0, 1, 0}) {
    ASSERT_EQ(cudaSetDevice(index), cudaSuccess);
    EXPECT_GT(run<2>(30000).shared_bytes, kWithoutOptIn);
  }
}

TEST_F(DeviceLimitsTest, OfAPartOfAGpuMayLeaveNoClusters) {
  simulator::reset();
  const Assume assume(ask_device_limits());
  ASSERT_TRUE(device_limits().clusters);
  EXPECT_EQ(run<3>(kHeldByACluster).cluster, 8);
  EXPECT_EQ(run<3>(kLongerThanAClusterHolds).cluster, 8);
  simulator::reset(1, {.clusters = cudaErrorInvalidClusterSize});
  for (const std::int64_t cols : {kHeldByACluster, kLongerThanAClusterHolds}) {
    EXPECT_EQ(run<4>(cols).cluster, 1);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "an answer is not left behind as an error";
  }
}

// The driver compiles PTX of an older architecture for the device: there is nothing of 9.0 in that.
TEST_F(DeviceLimitsTest, AreThoseOfTheCode) {
  for (const int compiled_for : {75, 80, 89}) {
    simulator::reset(1, {.compiled_for = compiled_for});
    const DeviceLimits limits = ask_device_limits();
    EXPECT_FALSE(limits.clusters);
    EXPECT_FALSE(limits.programmatic_launch);
    const Assume assume(limits);
    for (const std::int64_t cols :
         {std::int64_t{10}, std::int64_t{1000}, kHeldByACluster, kLongerThanAClusterHolds})
      EXPECT_EQ(run<5>(cols).cluster, 1);
  }
  simulator::reset(1, device_of(8, 0));
  EXPECT_FALSE(ask_device_limits().clusters);
  for (const auto& [major, compiled_for] : {std::pair{9, 0}, {9, 90}, {10, 90}}) {
    Device device = device_of(major, 0);
    device.compiled_for = compiled_for;
    simulator::reset(1, device);
    EXPECT_TRUE(ask_device_limits().clusters);
    EXPECT_TRUE(ask_device_limits().programmatic_launch);
  }
}

}  // namespace
}  // namespace softwarp
