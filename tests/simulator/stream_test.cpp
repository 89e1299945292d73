// Streams, events, graphs: what waits for what.

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "simulator/testing.h"

namespace softwarp::simulator {
namespace {

__global__ void add_kernel(int* x, int value) { x[0] += value; }
__global__ void double_kernel(int* x) { x[0] *= 2; }
__global__ void new_kernel(int* x) { x[0] = 1; }

void start_on(cudaStream_t stream, void (*kernel)(int*, int), int* x, int value) {
  cudaLaunchConfig_t config{};
  config.stream = stream;
  EXPECT_EQ(cudaLaunchKernelEx(&config, kernel, x, value), cudaSuccess);
}
void double_on(cudaStream_t stream, int* x) {
  cudaLaunchConfig_t config{};
  config.stream = stream;
  EXPECT_EQ(cudaLaunchKernelEx(&config, double_kernel, x), cudaSuccess);
}

class Streams : public SimulatorTest {
 protected:
  void SetUp() override {
    SimulatorTest::SetUp();
    begin();
  }
  void TearDown() override {
    end();
    SimulatorTest::TearDown();
  }
  void begin() {
    for (auto& stream : streams_)
      ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaEventCreate(&event_), cudaSuccess);
    ASSERT_EQ(cudaMalloc(&x_, sizeof(int)), cudaSuccess);
    ASSERT_EQ(cudaMemset(x_, 0, sizeof(int)), cudaSuccess);
    start_on(nullptr, add_kernel, x_, 0);  // loads them
    double_on(nullptr, x_);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    reset_counters();
  }
  void end() {
    for (auto& stream : streams_) cudaStreamDestroy(stream);
    cudaEventDestroy(event_);
    cudaFree(x_);
  }
  int value() {
    int result = 0;
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(&result, x_, sizeof result, cudaMemcpyDeviceToHost), cudaSuccess);
    return result;
  }
  // (0 + 1) * 2, the factor on another stream.
  int add_then_double(bool depend) {
    cudaMemset(x_, 0, sizeof(int));
    cudaDeviceSynchronize();
    start_on(streams_[0], add_kernel, x_, 1);
    cudaEventRecord(event_, streams_[0]);
    if (depend) cudaStreamWaitEvent(streams_[1], event_);
    double_on(streams_[1], x_);
    return value();
  }

  cudaStream_t streams_[2] = {};
  cudaEvent_t event_ = nullptr;
  int* x_ = nullptr;
};

TEST_F(Streams, WorkRunsWhenSomethingWaits) {
  start_on(streams_[0], add_kernel, x_, 5);
  EXPECT_EQ(counters("add_kernel").launches, 0);
  EXPECT_EQ(cudaStreamQuery(streams_[1]), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(streams_[0]), cudaSuccess);
  EXPECT_EQ(counters("add_kernel").launches, 1);
  EXPECT_EQ(value(), 5);
}

TEST_F(Streams, SomeOrderShowsAMissingDependency) {
  int wrong = 0;
  for (unsigned seed = 1; seed <= 10; ++seed) {
    set_seed(seed);
    EXPECT_EQ(add_then_double(true), 2);
    wrong += add_then_double(false) != 2;
  }
  EXPECT_GT(wrong, 0);
}

TEST_F(Streams, TheLegacyStreamIsOrderedAgainstBlockingStreams) {
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  for (unsigned seed = 1; seed <= 10; ++seed) {
    set_seed(seed);
    cudaMemset(x_, 0, sizeof(int));
    start_on(blocking, add_kernel, x_, 1);
    double_on(nullptr, x_);
    start_on(blocking, add_kernel, x_, 1);
    EXPECT_EQ(value(), 3);
  }
  cudaStreamDestroy(blocking);
}

TEST_F(Streams, AnEventIsReadyWhenItsWorkIsDone) {
  start_on(streams_[0], add_kernel, x_, 1);
  start_on(streams_[0], add_kernel, x_, 1);
  cudaEventRecord(event_, streams_[0]);
  EXPECT_EQ(cudaEventQuery(event_), cudaErrorNotReady);
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
  while (cudaEventQuery(event_) == cudaErrorNotReady) {
  }
  EXPECT_EQ(value(), 2);
  float milliseconds = -1;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, event_), cudaSuccess);
  EXPECT_EQ(milliseconds, 0);
}

TEST_F(Streams, WorkOfADestroyedStreamStillRuns) {
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreate(&stream), cudaSuccess);
  start_on(stream, add_kernel, x_, 7);
  cudaStreamDestroy(stream);
  EXPECT_EQ(value(), 7);
}

TEST_F(Streams, ACopyNeedsItsHostMemoryUntilItRuns) {
  int* host = nullptr;
  ASSERT_EQ(cudaMallocHost(&host, sizeof(int)), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(x_, host, sizeof(int), cudaMemcpyHostToDevice, streams_[0]), cudaSuccess);
  cudaFreeHost(host);
  expect_failure(cudaErrorIllegalAddress, "page-locked memory, or freed");
}

#ifdef __SANITIZE_ADDRESS__
TEST_F(Streams, ACopyNeedsItsPageableMemoryUntilItRuns) {
  auto host = std::make_unique<int>(3);
  EXPECT_EQ(cudaMemcpyAsync(x_, host.get(), sizeof(int), cudaMemcpyHostToDevice, streams_[0]), cudaSuccess);
  host.reset();
  expect_failure(cudaErrorIllegalAddress, "host memory, or gone");
}

TEST_F(Streams, TheHostMayNotTouchDeviceMemory) {
  EXPECT_DEATH(x_[0] = 1, "AddressSanitizer: use-after-poison");
}
#endif

class Graphs : public Streams {};

TEST_F(Graphs, ReplayWhatWasRecorded) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(streams_[0], cudaStreamCaptureModeGlobal), cudaSuccess);
  start_on(streams_[0], add_kernel, x_, 1);
  double_on(streams_[0], x_);
  ASSERT_EQ(cudaStreamEndCapture(streams_[0], &graph), cudaSuccess);
  EXPECT_EQ(counters("add_kernel").launches, 0);
  ASSERT_EQ(cudaGraphInstantiate(&exec, graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cudaGraphLaunch(exec, streams_[0]), cudaSuccess);
  EXPECT_EQ(value(), 14);
  EXPECT_EQ(host_counters().graph_launches, 3);
  EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
}

TEST_F(Graphs, KeepTheDependenciesOfAllStreams) {
  for (const bool join : {true, false}) {
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(streams_[0], cudaStreamCaptureModeGlobal), cudaSuccess);
    start_on(streams_[0], add_kernel, x_, 1);
    cudaEventRecord(event_, streams_[0]);
    cudaStreamWaitEvent(streams_[1], event_);
    double_on(streams_[1], x_);
    cudaEventRecord(event_, streams_[1]);
    if (join) cudaStreamWaitEvent(streams_[0], event_);
    EXPECT_EQ(cudaStreamEndCapture(streams_[0], &graph), join ? cudaSuccess : cudaErrorStreamCaptureUnjoined);
    std::size_t nodes = 0;
    if (join) {
      EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
      EXPECT_EQ(nodes, 2u);
      EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    }
  }
}

class Refusals : public Graphs {
 protected:
  // Of a call that spoils the graph; `words` are what the simulator says of it.
  void expect_refusal(const std::function<cudaError_t()>& call, const std::string& words = {}) {
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(streams_[0], cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(call(), cudaErrorStreamCaptureUnsupported);
    cudaStreamCaptureStatus status{};
    EXPECT_EQ(cudaStreamIsCapturing(streams_[0], &status), cudaSuccess);
    EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
    EXPECT_EQ(cudaStreamEndCapture(streams_[0], &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
    cudaGetLastError();
    const auto errors = take_errors();
    ASSERT_EQ(errors.size(), words.empty() ? 0u : 1u);
    if (!words.empty()) {
      EXPECT_EQ(errors[0], words + " while a stream captures");
    }
  }
  cudaError_t start_new(cudaStream_t stream) const {
    cudaLaunchConfig_t config{};
    config.stream = stream;
    return cudaLaunchKernelEx(&config, new_kernel, x_);
  }
};

TEST_F(Refusals, AreOfWhatWaitsOrAllocates) {
  void* memory = nullptr;
  int host = 0;
  expect_refusal([&] { return cudaMalloc(&memory, 4); });
  expect_refusal([&] { return cudaStreamSynchronize(streams_[0]); });
  expect_refusal([&] { return cudaDeviceSynchronize(); });
  expect_refusal([&] { return cudaMemcpy(&host, x_, 4, cudaMemcpyDeviceToHost); });
  expect_refusal([&] { return cudaMallocAsync(&memory, 4, streams_[0]); });
}

TEST_F(Refusals, AreOfAKernelThatWasNeverUsed) {
  cudaFuncAttributes attributes{};
  const std::string words = "kernel new_kernel is used for the first time";
  expect_refusal([&] { return start_new(streams_[0]); }, words);
  expect_refusal([&] { return start_new(streams_[1]); }, words);
  expect_refusal([&] { return cudaFuncGetAttributes(&attributes, new_kernel); }, words);
  EXPECT_EQ(start_new(streams_[1]), cudaSuccess);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(streams_[0], cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(start_new(streams_[0]), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(streams_[0], &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  end();
  reset();
  begin();
  expect_refusal([&] { return start_new(streams_[0]); }, words);
}

TEST_F(Refusals, AreOfSettingAnAttribute) {
  expect_refusal(
      [&] { return cudaFuncSetAttribute(add_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 1024); },
      "an attribute of kernel add_kernel is set");
}

}  // namespace
}  // namespace softwarp::simulator
