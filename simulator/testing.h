#pragma once

// Shared by the tests of the simulator and of the code that runs on it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "simulator/simulator.h"

namespace softwarp::simulator {

// Starts on a new device and ends with no error and nothing left over.
class SimulatorTest : public testing::Test {
 protected:
  void SetUp() override { reset(); }
  void TearDown() override {
    EXPECT_EQ(take_errors(), std::vector<std::string>{});
    EXPECT_EQ(live_objects(), std::vector<std::string>{});
  }
};

// Device memory that a test fills and reads.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t size) : size_(size) {
    EXPECT_EQ(cudaMalloc(&data_, size * sizeof(T)), cudaSuccess);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    EXPECT_EQ(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  template <class V>
  V* as() const {
    return reinterpret_cast<V*>(data_);
  }
  std::vector<T> download() const {
    std::vector<T> values(size_);
    cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

// Starts a kernel on the default stream.
template <class... Params, class... Args>
void start(void (*kernel)(Params...), unsigned grid, unsigned block, std::size_t shared_bytes,
           const Args&... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  EXPECT_EQ(cudaLaunchKernelEx(&config, kernel, args...), cudaSuccess);
}

// Waits for the device, which must then say `status` and have one error that contains `words`.
inline void expect_failure(cudaError_t status, const std::string& words) {
  EXPECT_EQ(cudaDeviceSynchronize(), status);
  const auto errors = take_errors();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(errors[0].find(words), std::string::npos) << errors[0];
}

}  // namespace softwarp::simulator
