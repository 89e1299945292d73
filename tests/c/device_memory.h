#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <softwarp/softwarp.h>

#include <cstring>
#include <vector>

namespace softwarp {

// Memory of a device of the C interface, zeroed.
class DeviceMemory {
 public:
  DeviceMemory(softwarp_device device, std::size_t bytes) : device_(device), bytes_(bytes) {
    if (device_ == SOFTWARP_CPU) {
      host_.resize(bytes);
      data_ = host_.data();
    } else {
      EXPECT_EQ(cudaMalloc(&data_, bytes), cudaSuccess);
      EXPECT_EQ(cudaMemset(data_, 0, bytes), cudaSuccess);
    }
  }
  ~DeviceMemory() {
    if (device_ == SOFTWARP_CUDA) {
      EXPECT_EQ(cudaFree(data_), cudaSuccess);
    }
  }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* data() const { return data_; }

  void write(const void* from) const { copy(data_, from); }
  // Waits for what was asked of the device's default stream.
  void read(void* to) const { copy(to, data_); }

 private:
  void copy(void* to, const void* from) const {
    if (device_ == SOFTWARP_CPU)
      std::memcpy(to, from, bytes_);
    else
      EXPECT_EQ(cudaMemcpy(to, from, bytes_, cudaMemcpyDefault), cudaSuccess);
  }

  softwarp_device device_;
  std::size_t bytes_;
  std::vector<char> host_;
  void* data_ = nullptr;
};

}  // namespace softwarp
