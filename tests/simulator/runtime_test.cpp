// The runtime as the host sees it: limits, errors, faults, leaks.

#include <gtest/gtest.h>

#include <tuple>

#include "simulator/testing.h"

namespace softwarp::simulator {
namespace {

__global__ void nothing_kernel() {}

cudaError_t launch_shape(dim3 grid, dim3 block, std::size_t shared_bytes, unsigned cluster = 1) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim = {cluster, 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.attrs = &attribute;
  config.numAttrs = cluster > 1;
  return cudaLaunchKernelEx(&config, nothing_kernel);
}

class Runtime : public SimulatorTest {};

TEST_F(Runtime, RefusesShapesThatTheDeviceDoesNotHave) {
  EXPECT_EQ(launch_shape(1, 1024, 0), cudaSuccess);
  EXPECT_EQ(launch_shape(1, 1025, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_shape(0, 1, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_shape({1, 65536}, 1, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_shape(6, 1, 0, 4), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_shape(16, 1, 0, 16), cudaErrorInvalidClusterSize);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidClusterSize);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST_F(Runtime, AsksForMoreThan48KilobytesToBeAllowed) {
  EXPECT_EQ(launch_shape(1, 1, 48 << 10), cudaSuccess);
  EXPECT_EQ(launch_shape(1, 1, (48 << 10) + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(nothing_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 << 10),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(nothing_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 << 10),
            cudaSuccess);
  EXPECT_EQ(launch_shape(1, 1, 227 << 10), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  reset(1, device_of(8, 6));
  EXPECT_EQ(launch_shape(1, 1, 99 << 10), cudaSuccess);
  EXPECT_EQ(launch_shape(1, 1, 100 << 10), cudaErrorInvalidValue);
  EXPECT_EQ(launch_shape(2, 1, 0, 2), cudaErrorNotSupported);
  EXPECT_EQ(cudaFuncSetAttribute(nothing_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 0),
            cudaSuccess);
}

TEST_F(Runtime, TellsTheDeviceItPlays) {
  for (const auto& [major, minor, shared_kib] :
       {std::tuple{7, 5, 64}, {8, 0, 163}, {8, 9, 99}, {9, 0, 227}, {12, 0, 99}}) {
    reset(1, device_of(major, minor));
    cudaDeviceProp properties{};
    int value = 0;
    EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
    EXPECT_EQ(properties.major * 10 + properties.minor, major * 10 + minor);
    EXPECT_EQ(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), cudaSuccess);
    EXPECT_EQ(value, shared_kib << 10);
    EXPECT_EQ(cudaGetDeviceProperties(&properties, 1), cudaErrorInvalidDevice);
  }
}

TEST_F(Runtime, PlaysAMachineWithoutADevice) {
  int count = -1;
  reset(1, {.count = 0});
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  reset(1, {.driver = cudaErrorInsufficientDriver});
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_EQ(count, 0);
  cublasLtHandle_t handle = nullptr;
  EXPECT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_NOT_INITIALIZED);
}

TEST_F(Runtime, RunsOutOfMemory) {
  reset(1, {.memory = 1000});
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, 1001), cudaErrorMemoryAllocation);
  EXPECT_EQ(memory, nullptr);
  EXPECT_EQ(cudaMalloc(&memory, 1000), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaErrorInvalidValue);
}

TEST_F(Runtime, ListsWhatWasNotReleased) {
  void* memory = nullptr;
  cudaStream_t stream = nullptr;
  cublasLtHandle_t handle = nullptr;
  cudaMalloc(&memory, 12);
  cudaStreamCreate(&stream);
  cublasLtCreate(&handle);
  EXPECT_EQ(live_objects().size(), 3u);
  EXPECT_EQ(live_objects()[0], "12 bytes of device memory");
  cublasLtDestroy(handle);
  cudaStreamDestroy(stream);
  cudaFree(memory);
}

TEST_F(Runtime, FailsTheCallThatATestChooses) {
  void* memory = nullptr;
  inject({.call = 1, .runtime = cudaErrorMemoryAllocation});
  EXPECT_EQ(cudaMalloc(&memory, 4), cudaSuccess);
  EXPECT_EQ(fault_hit(), "");
  EXPECT_EQ(cudaFree(memory), cudaErrorMemoryAllocation);
  EXPECT_NE(fault_hit(), "");
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  cublasLtHandle_t handle = nullptr;
  inject({.cublas = CUBLAS_STATUS_INTERNAL_ERROR});
  EXPECT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_INTERNAL_ERROR);
  EXPECT_EQ(host_counters().calls, 4);
  EXPECT_EQ(calls("cudaMalloc"), 1);
}

TEST_F(Runtime, ChecksCopies) {
  const DeviceArray<int> x(std::vector{1, 2, 3, 4, 5, 6});
  std::vector<int> y(4);
  EXPECT_EQ(cudaMemcpy(y.data(), x.data(), 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy2D(y.data(), 8, x.data(), 12, 8, 2, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(y, (std::vector{1, 2, 4, 5}));
  EXPECT_EQ(cudaMemcpyAsync(y.data(), x.data() + 4, 16, cudaMemcpyDefault), cudaSuccess);
  expect_failure(cudaErrorIllegalAddress, "beyond its device memory");
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress) << "the context is lost";
}

}  // namespace
}  // namespace softwarp::simulator
