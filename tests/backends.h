#pragma once

#include <gtest/gtest.h>
#include <softwarp/backend.h>

#include <memory>
#include <span>
#include <vector>

namespace softwarp {

// Every backend: each test of an op runs on all of them. The CPU comes twice, with one thread and with two;
// CUDA is the simulated device.
std::vector<std::unique_ptr<Backend>> make_backends();

// A fixture that afterwards fails on the simulated device's errors and leaks.
class DeviceTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
};

// Host values as an array of the backend, and back.
template <class T>
Array<T> upload(Backend& backend, const std::vector<T>& values) {
  Array<T> array = backend.make_array<T>(static_cast<std::int64_t>(values.size()));
  backend.upload<T>(values, array.data());
  return array;
}

template <class T>
std::vector<T> download(Backend& backend, const T* from, std::int64_t size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  backend.download<T>(from, values);
  return values;
}

}  // namespace softwarp
