// The limits of a launch: shared memory beside the kernel's own, and what the code was compiled for.

#include <gtest/gtest.h>

#include "simulator/testing.h"

namespace softwarp {
extern __shared__ float4 dynamic_shared[];
}

namespace softwarp::simulator {
namespace {

// 16 floats, of which a launch uses one row or two.
template <int kRows>
[[gnu::noinline]] __device__ float from_neighbour(float value, bool twice) {
  __shared__ float row[8];
  row[threadIdx.x] = value;
  __syncthreads();
  value = row[threadIdx.x ^ 1];
  if (!twice) return value;
  __shared__ float other_row[8 * (kRows - 1)];
  other_row[threadIdx.x] = value;
  __syncthreads();
  return other_row[threadIdx.x ^ 1];
}

// A kernel for each test that sets an attribute of it, since those stay.
template <int kTest>
__global__ void own_kernel(float* x, bool twice) {
  __shared__ double sum;
  if (threadIdx.x == 0) sum = x[0];
  __syncthreads();
  x[threadIdx.x] = from_neighbour<2>(x[threadIdx.x], twice) + static_cast<float>(sum);
}
constexpr std::size_t kOwn = 16 + 2 * 8 * sizeof(float);  // rounded up to 16

__global__ void none_kernel(float* x) {
  reinterpret_cast<float*>(&dynamic_shared[0])[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = 2 * reinterpret_cast<float*>(&dynamic_shared[0])[threadIdx.x];
}

template <int kTest = 0>
__global__ void large_kernel(float* x) {
  __shared__ float all[48 << 8];
  all[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = all[threadIdx.x ^ 1];
}

class Limits : public SimulatorTest {
 protected:
  template <class... Params, class... Args>
  static cudaError_t launch(void (*kernel)(Params...), std::size_t shared_bytes, const Args&... args) {
    return launch_with(kernel, shared_bytes, {}, args...);
  }
  template <class... Params, class... Args>
  static cudaError_t launch_with(void (*kernel)(Params...), std::size_t shared_bytes,
                                 std::vector<cudaLaunchAttribute> attributes, const Args&... args) {
    cudaLaunchConfig_t config{};
    config.gridDim = 8;
    config.blockDim = 8;
    config.dynamicSmemBytes = shared_bytes;
    config.attrs = attributes.data();
    config.numAttrs = static_cast<unsigned>(attributes.size());
    return cudaLaunchKernelEx(&config, kernel, args...);
  }
  template <class Kernel>
  static cudaFuncAttributes attributes_of(Kernel* kernel) {
    cudaFuncAttributes attributes{};
    EXPECT_EQ(cudaFuncGetAttributes(&attributes, kernel), cudaSuccess);
    return attributes;
  }
  template <class Kernel>
  static cudaError_t allow(Kernel* kernel, std::size_t bytes) {
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  }
};

TEST_F(Limits, CountTheSharedVariablesThatAKernelsCodeReaches) {
  EXPECT_EQ(attributes_of(own_kernel<1>).sharedSizeBytes, kOwn);
  EXPECT_EQ(attributes_of(none_kernel).sharedSizeBytes, 0u);
  EXPECT_EQ(attributes_of(large_kernel<0>).sharedSizeBytes, 48u << 10);
  const DeviceArray<float> x(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  start(own_kernel<1>, 1, 8, 0, x.data(), true);
  EXPECT_EQ(x.download(), (std::vector<float>{2, 3, 4, 5, 6, 7, 8, 9}));
}

// Asked by launching on every kind of device; what was refused leaves nothing behind.
TEST_F(Limits, LeaveALaunchWhatItsKernelDoesNotHaveItself) {
  constexpr std::size_t kWithoutOptIn = 48 << 10;
  for (const auto& [major, minor] : {std::pair{7, 5}, {8, 0}, {8, 6}, {8, 9}, {9, 0}, {10, 0}, {12, 0}}) {
    SCOPED_TRACE(testing::Message() << major << "." << minor);
    const Device device = device_of(major, minor);
    reset(1, device);
    const DeviceArray<float> x(std::vector<float>(8));
    EXPECT_EQ(attributes_of(none_kernel).maxDynamicSharedSizeBytes, int{kWithoutOptIn});
    EXPECT_EQ(launch(none_kernel, kWithoutOptIn, x.data()), cudaSuccess);
    EXPECT_EQ(launch(none_kernel, kWithoutOptIn + 1, x.data()), cudaErrorInvalidValue);
    EXPECT_EQ(launch(large_kernel<0>, 0, x.data()), cudaSuccess);
    EXPECT_EQ(launch(large_kernel<0>, 16, x.data()), cudaErrorInvalidValue);
    const bool asked = major != 7;
    if (!asked) {
      EXPECT_EQ(attributes_of(own_kernel<2>).maxDynamicSharedSizeBytes, int{kWithoutOptIn - kOwn});
      EXPECT_EQ(launch(own_kernel<2>, kWithoutOptIn - kOwn, x.data(), false), cudaSuccess);
      EXPECT_EQ(launch(own_kernel<2>, kWithoutOptIn - kOwn + 1, x.data(), false), cudaErrorInvalidValue);
    }
    const std::size_t most = device.shared_per_block_optin - kOwn;
    EXPECT_EQ(allow(own_kernel<2>, most + 1), cudaErrorInvalidValue);
    EXPECT_EQ(allow(own_kernel<2>, most), cudaSuccess);
    EXPECT_EQ(launch(own_kernel<2>, most, x.data(), false), cudaSuccess);
    EXPECT_EQ(launch(own_kernel<2>, most + 1, x.data(), false), cudaErrorInvalidValue);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    cudaGetLastError();
  }
}

TEST_F(Limits, AreLoweredByWhoeverAsksForLess) {
  const DeviceArray<float> x(std::vector<float>(8));
  EXPECT_EQ(allow(own_kernel<3>, 100 << 10), cudaSuccess);
  EXPECT_EQ(launch(own_kernel<3>, 100 << 10, x.data(), false), cudaSuccess);
  EXPECT_EQ(allow(own_kernel<3>, 60 << 10), cudaSuccess);
  EXPECT_EQ(launch(own_kernel<3>, 100 << 10, x.data(), false), cudaErrorInvalidValue);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST_F(Limits, AreRaisedOnTheCurrentDeviceAlone) {
  reset(1, {.count = 2});
  const DeviceArray<float> x(std::vector<float>(8));
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
  EXPECT_EQ(allow(large_kernel<1>, 100 << 10), cudaSuccess);
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  int current = 0;
  EXPECT_EQ(cudaGetDevice(&current), cudaSuccess);
  EXPECT_EQ(current, 1);
  EXPECT_EQ(launch(large_kernel<1>, 100 << 10, x.data()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(launch(large_kernel<1>, 100 << 10, x.data()), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

// A GPU runs older code from its PTX, without what that code does not have.
TEST_F(Limits, AreThoseOfTheCodeAsWellAsOfTheDevice) {
  cudaLaunchAttribute cluster{}, early{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {2, 1, 1};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  const auto expect = [&](cudaError_t status, const std::string& words) {
    const DeviceArray<float> x(std::vector<float>(8));
    for (const auto& [attribute, name] : {std::pair{cluster, "clusters"}, {early, "serialization"}}) {
      EXPECT_EQ(launch_with(large_kernel<0>, 0, {attribute}, x.data()), status);
      const auto errors = take_errors();
      ASSERT_EQ(errors.size(), words.empty() ? 0u : 1u);
      if (!words.empty()) {
        EXPECT_NE(errors[0].find("kernel large_kernel<0> is launched with "), std::string::npos) << errors[0];
        EXPECT_NE(errors[0].find(name + words), std::string::npos) << errors[0];
      }
    }
    EXPECT_EQ(launch(large_kernel<0>, 0, x.data()), cudaSuccess);
  };
  reset(1, {.compiled_for = 80});
  EXPECT_EQ(attributes_of(large_kernel<0>).ptxVersion, 80);
  EXPECT_EQ(attributes_of(large_kernel<0>).binaryVersion, 90);
  expect(cudaErrorNotSupported, ", but compiled for compute capability 80");
  reset(1, {.compiled_for = 90});
  EXPECT_EQ(attributes_of(large_kernel<0>).ptxVersion, 90);
  const DeviceArray<float> x(std::vector<float>(8));
  EXPECT_EQ(launch_with(large_kernel<0>, 0, {cluster}, x.data()), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  Device older = device_of(8, 0);
  older.compiled_for = 90;
  reset(1, older);
  cudaFuncAttributes attributes{};
  EXPECT_EQ(cudaFuncGetAttributes(&attributes, large_kernel<0>), cudaErrorNoKernelImageForDevice);
}

TEST_F(Limits, OfAPartOfAGpuMayBeThatItHasNoClusters) {
  reset(1, {.clusters = cudaErrorInvalidClusterSize});
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {2, 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = config.blockDim = 8;
  config.attrs = &cluster;
  config.numAttrs = 1;
  int clusters = 0;
  EXPECT_EQ(cudaOccupancyMaxActiveClusters(&clusters, large_kernel<0>, &config), cudaErrorInvalidClusterSize);
  const DeviceArray<float> x(std::vector<float>(8));
  EXPECT_EQ(launch_with(large_kernel<0>, 0, {cluster}, x.data()), cudaErrorInvalidClusterSize);
  EXPECT_EQ(launch(large_kernel<0>, 0, x.data()), cudaSuccess);
}

}  // namespace
}  // namespace softwarp::simulator
