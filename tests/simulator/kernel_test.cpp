// A first kernel from end to end, and what the simulator says of it.

#include "simulator/simulator.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "simulator/testing.h"

namespace softwarp::simulator {

cudaError_t scale(const float4* x, float4* y, int n, float factor, cudaStream_t stream);  // in scale.cu

namespace {

__global__ void row_sum_kernel(const float* x, float* sums, int cols) {
  __shared__ float partial[2];
  float sum = 0;
  for (int j = static_cast<int>(threadIdx.x); j < cols; j += static_cast<int>(blockDim.x))
    sum += __ldg(x + static_cast<int>(blockIdx.x) * cols + j);
  for (int delta = 16; delta > 0; delta /= 2)
    sum += __shfl_down_sync(0xffffffffu, sum, static_cast<unsigned>(delta));
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) __stcs(sums + blockIdx.x, partial[0] + partial[1]);
}

class Simulator : public SimulatorTest {};

TEST_F(Simulator, RunsAKernelAndCountsItsBytesAndSectors) {
  std::vector<float> x(400);
  std::iota(x.begin(), x.end(), 0.0f);
  const DeviceArray<float> dx(x), dy(400);
  EXPECT_EQ(scale(dx.as<const float4>(), dy.as<float4>(), 100, 2.0f, nullptr), cudaSuccess);
  const auto y = dy.download();
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], 2 * x[i]);
  const Counters c = counters("scale_kernel");
  ASSERT_EQ(kernels_run().size(), 1u);
  EXPECT_EQ(kernels_run()[0].name, "scale_kernel<float4>");
  EXPECT_EQ(c.launches, 1);
  EXPECT_EQ(kernels_run()[0].blocks, 1);
  EXPECT_EQ(kernels_run()[0].threads, 128);
  EXPECT_EQ(c.threads, 128);
  EXPECT_EQ(c.loads, 100);
  EXPECT_EQ(c.load_bytes, 1600);
  EXPECT_EQ(c.load_sectors, 50);
  EXPECT_EQ(c.store_bytes, 1600);
  EXPECT_EQ(c.store_sectors, 50);
}

TEST_F(Simulator, ReducesByShufflesAndSharedMemoryInEveryOrder) {
  const std::vector<float> x(3 * 100, 1.0f);
  for (unsigned seed = 1; seed < 20; ++seed) {
    set_seed(seed);
    const DeviceArray<float> dx(x), sums(3);
    start(row_sum_kernel, 3, 64, 0, dx.data(), sums.data(), 100);
    EXPECT_EQ(sums.download(), (std::vector<float>{100, 100, 100}));
  }
  EXPECT_EQ(counters().barriers, 19 * 3);
  EXPECT_EQ(counters().collectives, 19 * 3 * 2 * 5);
}

}  // namespace
}  // namespace softwarp::simulator
