// Kernels that break a rule, and what the simulator says of them.

#include <cooperative_groups.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "simulator/testing.h"

namespace softwarp {
extern __shared__ float4 dynamic_shared[];
}

namespace softwarp::simulator {
namespace {

namespace cg = cooperative_groups;

constexpr unsigned kAll = 0xffffffffu;

__global__ void forgets_barrier_kernel(int* out) {
  __shared__ int values[64];
  const int i = static_cast<int>(threadIdx.x);
  values[i] = i;
  out[i] = values[63 - i];
}

__global__ void forgets_second_barrier_kernel(int* out) {
  __shared__ int value;
  for (int round = 0; round < 4; ++round) {
    if (threadIdx.x == 0) value = round;
    __syncthreads();
    out[round * 64 + static_cast<int>(threadIdx.x)] = value;
  }
}

__global__ void names_absent_lane_kernel(int* out) {
  if (threadIdx.x >= 16) return;
  out[threadIdx.x] = __shfl_xor_sync(kAll, 1, 1);
}

__global__ void names_lane_beyond_block_kernel(int* out) { out[threadIdx.x] = __shfl_xor_sync(kAll, 1, 1); }

__global__ void disagrees_on_mask_kernel(int* out) {
  out[threadIdx.x] = __shfl_xor_sync(threadIdx.x < 16 ? kAll : 0xffff8000u, 1, 1);
}

__global__ void divergent_barrier_kernel() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}

__global__ void early_return_kernel() {
  if (threadIdx.x == 40) return;
  __syncthreads();
}

__global__ void waits_for_ever_kernel() {
  if (threadIdx.x < 16)
    __syncwarp();
  else
    __syncthreads();
}

__global__ void load_kernel(const float* x, int i) { (void)__ldg(reinterpret_cast<const float4*>(x + i)); }
__global__ void store_kernel(float* x, int i) { __stcs(x + i, 1.0f); }
__global__ void shared_kernel(float* out, int i) {
  auto* shared = reinterpret_cast<volatile float*>(dynamic_shared);
  shared[i] = 1;
  out[0] = shared[i];
}
[[maybe_unused]] __global__ void misaligned_shared_kernel(float* out, int i) {
  auto* shared = reinterpret_cast<float*>(dynamic_shared);
  *reinterpret_cast<float4*>(shared + i) = {};
  out[0] = shared[i];
}
__global__ void uninitialized_shared_kernel(float* out) {
  __shared__ float value;
  if (threadIdx.x == 1) value = 1;
  out[threadIdx.x] = value;
}
__global__ void leaves_cluster_kernel(float* out, bool wait) {
  __shared__ float value;
  value = static_cast<float>(cg::this_cluster().block_rank());
  cg::this_cluster().sync();
  if (cg::this_cluster().block_rank() == 0) out[0] = *cg::this_cluster().map_shared_rank(&value, 1);
  if (wait) cg::this_cluster().sync();
}
__global__ void touches_before_dependency_kernel(float* x) { __stcs(x, 1.0f); }

class BrokenKernels : public SimulatorTest {
 protected:
  void start_cluster(void (*kernel)(float*, bool), unsigned cluster, float* out, bool wait) {
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {cluster, 1, 1};
    cudaLaunchConfig_t config{};
    config.gridDim = cluster;
    config.blockDim = 64;
    config.attrs = &attribute;
    config.numAttrs = 1;
    EXPECT_EQ(cudaLaunchKernelEx(&config, kernel, out, wait), cudaSuccess);
  }
};

TEST_F(BrokenKernels, SomeOrderShowsAMissingBarrier) {
  int wrong = 0;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    set_seed(seed);
    const DeviceArray<int> out(64);
    start(forgets_barrier_kernel, 1, 64, 0, out.data());
    const auto values = out.download();
    for (int i = 0; i < 64; ++i) wrong += values[static_cast<std::size_t>(i)] != 63 - i;
  }
  EXPECT_GT(wrong, 0);
}

TEST_F(BrokenKernels, SomeOrderShowsAMissingBarrierBetweenRounds) {
  int wrong = 0;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    set_seed(seed);
    const DeviceArray<int> out(256);
    start(forgets_second_barrier_kernel, 1, 64, 0, out.data());
    const auto values = out.download();
    for (int i = 0; i < 256; ++i) wrong += values[static_cast<std::size_t>(i)] != i / 64;
  }
  EXPECT_GT(wrong, 0);
}

TEST_F(BrokenKernels, AShuffleMayNotNameALaneThatHasReturned) {
  const DeviceArray<int> out(32);
  start(names_absent_lane_kernel, 1, 32, 0, out.data());
  expect_failure(cudaErrorLaunchFailure, "absent lane");
}

TEST_F(BrokenKernels, AShuffleMayNotNameALaneThatTheBlockDoesNotHave) {
  const DeviceArray<int> out(20);
  start(names_lane_beyond_block_kernel, 1, 20, 0, out.data());
  expect_failure(cudaErrorLaunchFailure, "which the block does not have");
}

TEST_F(BrokenKernels, LanesThatNameEachOtherAgreeOnTheMask) {
  const DeviceArray<int> out(32);
  start(disagrees_on_mask_kernel, 1, 32, 0, out.data());
  expect_failure(cudaErrorLaunchFailure, "with another mask");
}

TEST_F(BrokenKernels, ABarrierInDivergentCodeIsNamedWithBothLines) {
  start(divergent_barrier_kernel, 1, 64, 0);
  expect_failure(cudaErrorLaunchFailure, "barrier in divergent code");
}

TEST_F(BrokenKernels, ABarrierThatAThreadDoesNotReachNamesKernelBlockAndThread) {
  start(early_return_kernel, 1, 64, 0);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  const auto errors = take_errors();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].find("kernel early_return_kernel, block (0,0,0), thread ("), 0u) << errors[0];
}

TEST_F(BrokenKernels, ThreadsThatWaitForEachOtherInDifferentPlacesAreADeadlock) {
  start(waits_for_ever_kernel, 1, 32, 0);
  expect_failure(cudaErrorLaunchTimeout, "waits for ever at broken_kernels_test.cpp");
}

TEST_F(BrokenKernels, ALoadBehindItsAllocationIsRefused) {
  const DeviceArray<float> x(std::vector<float>(6));
  start(load_kernel, 1, 1, 0, x.data(), 4);
  expect_failure(cudaErrorIllegalAddress, "a load of 16 bytes");
}

TEST_F(BrokenKernels, AMisalignedVectorIsRefused) {
  const DeviceArray<float> x(std::vector<float>(8));
  start(load_kernel, 1, 1, 0, x.data(), 1);
  expect_failure(cudaErrorMisalignedAddress, "misaligned access of 16 bytes");
}

TEST_F(BrokenKernels, AStoreToHostMemoryIsRefused) {
  std::vector<float> host(1);
  start(store_kernel, 1, 1, 0, host.data(), 0);
  expect_failure(cudaErrorIllegalAddress, "outside device memory");
}

TEST_F(BrokenKernels, AStoreToFreedMemoryIsRefused) {
  float* x = nullptr;
  ASSERT_EQ(cudaMalloc(&x, 4), cudaSuccess);
  cudaFree(x);
  start(store_kernel, 1, 1, 0, x, 0);
  expect_failure(cudaErrorIllegalAddress, "a store of 4 bytes");
}

TEST_F(BrokenKernels, DynamicSharedMemoryEndsWhereItEnds) {
  const DeviceArray<float> out(1);
  start(shared_kernel, 1, 1, 64, out.data(), 15);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  const auto overrun = [&] {
    start(shared_kernel, 1, 1, 64, out.data(), 16);
    expect_failure(cudaErrorIllegalAddress, "behind the dynamic shared memory");
  };
#ifdef __SANITIZE_ADDRESS__
  EXPECT_DEATH(overrun(), "AddressSanitizer");
#else
  overrun();
#endif
}

#ifdef __SANITIZE_ADDRESS__
TEST_F(BrokenKernels, AMisalignedVectorInSharedMemoryIsRefused) {
  const DeviceArray<float> out(1);
  start(misaligned_shared_kernel, 1, 1, 64, out.data(), 4);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  start(misaligned_shared_kernel, 1, 1, 64, out.data(), 1);
  EXPECT_DEATH(cudaDeviceSynchronize(), "misaligned address");
  reset();
}
#endif

TEST_F(BrokenKernels, UninitializedMemoryReadsAsNan) {
  const DeviceArray<float> out(64);
  start(uninitialized_shared_kernel, 1, 1, 0, out.data());
  const auto values = out.download();
  EXPECT_TRUE(std::isnan(values[0])) << "shared memory";
  EXPECT_TRUE(std::isnan(values[1])) << "device memory";
}

TEST_F(BrokenKernels, ABlockStaysWhileOthersUseItsSharedMemory) {
  std::set<std::string> seen;
  for (unsigned seed = 1; seed <= 30; ++seed) {
    reset(seed);
    float* out = nullptr;
    ASSERT_EQ(cudaMalloc(&out, 4), cudaSuccess);
    start_cluster(leaves_cluster_kernel, 2, out, false);
    cudaDeviceSynchronize();
    for (const auto& error : take_errors()) seen.insert(error.substr(error.find(": ") + 2, 18));
    cudaFree(out);
  }
  EXPECT_TRUE(seen.contains("leaves the cluster"));
  EXPECT_TRUE(seen.contains("maps shared memory"));
  reset();
}

TEST_F(BrokenKernels, ClustersThatWaitReadTheOthersSharedMemory) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    set_seed(seed);
    const DeviceArray<float> out(1);
    start_cluster(leaves_cluster_kernel, 2, out.data(), true);
    EXPECT_EQ(out.download()[0], 1.0f);
  }
}

TEST_F(BrokenKernels, ADependentKernelWaitsBeforeItTouchesMemory) {
  const DeviceArray<float> x(1);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.attrs = &attribute;
  config.numAttrs = 1;
  EXPECT_EQ(cudaLaunchKernelEx(&config, touches_before_dependency_kernel, x.data()), cudaSuccess);
  expect_failure(cudaErrorLaunchFailure, "before cudaGridDependencySynchronize");
}

}  // namespace
}  // namespace softwarp::simulator
