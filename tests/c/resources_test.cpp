// Does what a call brings along reach the device: the stream, and the workspace that lets rows be split?

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "kernels/primitives/device.h"
#include "simulator/simulator.h"
#include "tests/c/device_memory.h"

namespace softwarp {
namespace {

using Call = std::function<softwarp_status(void* stream, void* workspace, std::size_t workspace_bytes)>;

// Each function on one row of floats, in memory that is the same for all.
std::vector<Call> calls_on(void* x, void* y, std::int64_t cols) {
  const auto forward = [=](auto function) {
    return [=](void* stream, void* workspace, std::size_t bytes) {
      return function(SOFTWARP_CUDA, SOFTWARP_FLOAT32, 1, cols, x, cols, y, cols, workspace, bytes, stream);
    };
  };
  const auto backward = [=](auto function) {
    return [=](void* stream, void* workspace, std::size_t bytes) {
      return function(SOFTWARP_CUDA, SOFTWARP_FLOAT32, 1, cols, x, cols, x, cols, y, cols, workspace, bytes,
                      stream);
    };
  };
  return {forward(softwarp_softmax), forward(softwarp_log_softmax), backward(softwarp_softmax_backward),
          backward(softwarp_log_softmax_backward)};
}

std::int64_t launches(const std::function<softwarp_status()>& call) {
  simulator::reset_counters();
  EXPECT_EQ(call(), SOFTWARP_SUCCESS) << softwarp_last_error();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return simulator::counters().launches;
}

// A stream that records shows what was asked of it: nothing runs before the graph does.
TEST(CResources, WorkGoesToTheStream) {
  simulator::reset();
  constexpr std::int64_t kCols = 9;
  std::size_t bytes = 0;
  ASSERT_EQ(softwarp_cross_entropy_workspace_bytes(SOFTWARP_CUDA, SOFTWARP_FLOAT32, 1, kCols, &bytes),
            SOFTWARP_SUCCESS);
  const DeviceMemory x(SOFTWARP_CUDA, 4 * kCols), y(SOFTWARP_CUDA, 4 * kCols * kCols),
      target(SOFTWARP_CUDA, sizeof(std::int32_t)), sums(SOFTWARP_CUDA, sizeof(softwarp_cross_entropy_sums)),
      workspace(SOFTWARP_CUDA, bytes);
  auto calls = calls_on(x.data(), y.data(), kCols);
  calls.emplace_back([&](void* stream, void*, std::size_t) {
    return softwarp_softmax_jacobian(SOFTWARP_CUDA, SOFTWARP_FLOAT32, 1, kCols, x.data(), kCols, y.data(),
                                     kCols, stream);
  });
  calls.emplace_back([&](void* stream, void*, std::size_t) {
    return softwarp_softmax_cross_entropy(
        SOFTWARP_CUDA, SOFTWARP_FLOAT32, 1, kCols, x.data(), kCols,
        static_cast<const std::int32_t*>(target.data()), nullptr, nullptr, y.data(), kCols,
        static_cast<softwarp_cross_entropy_sums*>(sums.data()), workspace.data(), bytes, stream);
  });

  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "call " << i);
    EXPECT_EQ(calls[i](stream, nullptr, 0), SOFTWARP_SUCCESS) << "loads its kernels";
    ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    simulator::reset_counters();
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(calls[i](stream, nullptr, 0), SOFTWARP_SUCCESS) << softwarp_last_error();
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    EXPECT_EQ(simulator::counters().launches, 0);
    cudaGraphExec_t exec = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&exec, graph), cudaSuccess);
    ASSERT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    const bool finds_the_weight_first = i + 1 == calls.size();
    EXPECT_EQ(simulator::counters().launches, finds_the_weight_first ? 2 : 1);
    ASSERT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
    ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  }
  ASSERT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(simulator::take_errors(), std::vector<std::string>{});
}

TEST(CResources, WorkspaceLetsAnOpSplitALongRow) {
  simulator::reset();
  constexpr DeviceLimits kWithoutClusters{.multiprocessors = 24, .shared_bytes = 99 << 10};
  assume_device_limits(&kWithoutClusters);
  constexpr std::int64_t kCols = 140001;
  const DeviceMemory x(SOFTWARP_CUDA, 4 * kCols), y(SOFTWARP_CUDA, 4 * kCols),
      workspace(SOFTWARP_CUDA, SOFTWARP_SPLIT_ROW_WORKSPACE_BYTES);
  for (const Call& call : calls_on(x.data(), y.data(), kCols)) {
    EXPECT_EQ(launches([&] { return call(nullptr, nullptr, 0); }), 1);
    EXPECT_EQ(launches([&] { return call(nullptr, workspace.data(), SOFTWARP_SPLIT_ROW_WORKSPACE_BYTES); }),
              2);
  }
  assume_device_limits(nullptr);
  EXPECT_EQ(simulator::take_errors(), std::vector<std::string>{});
}

}  // namespace
}  // namespace softwarp
