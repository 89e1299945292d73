#pragma once

// Shared by the tests of kernels. The same sources run on the simulator, under several schedules each, and on
// a GPU: device_simulated.cpp and device_gpu.cpp each define the functions declared here.

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/primitives/device.h"

namespace softwarp {

// A fixture that skips, with a reason, where there is no device, and afterwards fails on errors and leaks.
class KernelTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
};

// How many schedules there are to tell apart: 1 on a GPU, which has its own.
int schedules(int wanted);
// Draws the order of threads, warps and blocks from here on.
void set_schedule(int schedule);

// Devices to plan for that differ in what they can: the device's own kind, and on the simulator all others.
struct NamedLimits {
  const char* name;
  DeviceLimits limits;
};
std::vector<NamedLimits> devices_to_plan_for();

// Launches plan for these limits while one exists.
class Assume {
 public:
  explicit Assume(const DeviceLimits& limits) : limits_(limits) { assume_device_limits(&limits_); }
  ~Assume() { assume_device_limits(nullptr); }
  Assume(const Assume&) = delete;
  Assume& operator=(const Assume&) = delete;

 private:
  DeviceLimits limits_;
};

// Memory of the device.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::int64_t size) : size_(size) {
    EXPECT_EQ(cudaMalloc(reinterpret_cast<void**>(&data_), bytes() > 0 ? bytes() : 1), cudaSuccess);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(static_cast<std::int64_t>(values.size())) {
    upload(values);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::int64_t size() const { return size_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }
  void upload(const std::vector<T>& values) const {
    EXPECT_EQ(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice), cudaSuccess);
  }
  std::vector<T> download() const {
    std::vector<T> values(static_cast<std::size_t>(size_));
    EXPECT_EQ(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost), cudaSuccess);
    return values;
  }
  // One value of a struct that has no use for an array.
  T value() const { return download()[0]; }

 private:
  T* data_ = nullptr;
  std::int64_t size_;
};

}  // namespace softwarp
