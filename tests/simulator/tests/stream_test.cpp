// Streams, events, graphs: what waits for what.

#include <gtest/gtest.h>

#include "tests/simulator/testing.h"

namespace softwarp::simulator {
namespace {

__global__ void add_kernel(int* x, int value) { x[0] += value; }
__global__ void double_kernel(int* x) { x[0] *= 2; }

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
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
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

TEST_F(Graphs, RefuseWhatCannotBeCaptured) {
  void* memory = nullptr;
  int host = 0;
  const auto refused = [&](auto&& illegal, cudaError_t expected) {
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(streams_[0], cudaStreamCaptureModeGlobal), cudaSuccess);
    EXPECT_EQ(illegal(), expected);
    cudaStreamCaptureStatus status{};
    EXPECT_EQ(cudaStreamIsCapturing(streams_[0], &status), cudaSuccess);
    EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
    EXPECT_EQ(cudaStreamEndCapture(streams_[0], &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
    cudaGetLastError();
  };
  refused([&] { return cudaMalloc(&memory, 4); }, cudaErrorStreamCaptureUnsupported);
  refused([&] { return cudaStreamSynchronize(streams_[0]); }, cudaErrorStreamCaptureUnsupported);
  refused([&] { return cudaDeviceSynchronize(); }, cudaErrorStreamCaptureUnsupported);
  refused([&] { return cudaMemcpy(&host, x_, 4, cudaMemcpyDeviceToHost); },
          cudaErrorStreamCaptureUnsupported);
  refused([&] { return cudaMallocAsync(&memory, 4, streams_[0]); }, cudaErrorStreamCaptureUnsupported);
}

}  // namespace
}  // namespace softwarp::simulator
