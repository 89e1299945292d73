#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/backends.h"

namespace softwarp {

struct Shape {
  std::int64_t rows, cols, stride, offset;
};

// A matrix in a backend's memory with any stride, its first element any number of floats off alignment.
class Placed {
 public:
  Placed(Backend& backend, const Shape& s, const std::vector<float>& packed) : backend_(&backend), shape_(s) {
    std::vector<float> all(static_cast<std::size_t>(s.offset + s.rows * s.stride), kFence);
    for (std::int64_t r = 0; r < s.rows; ++r)
      std::copy_n(packed.begin() + r * s.cols, s.cols, all.begin() + s.offset + r * s.stride);
    memory_ = upload(backend, all);
  }
  MatrixView<float> view() const {
    return {memory_.data() + shape_.offset, shape_.rows, shape_.cols, shape_.stride};
  }

  // Packed again; what lies between the rows must not have changed.
  std::vector<float> values() const {
    const auto all = download(*backend_, memory_.data(), memory_.size());
    std::vector<float> packed;
    for (std::int64_t i = 0; i < memory_.size(); ++i) {
      const std::int64_t at = i - shape_.offset;
      const float value = all[static_cast<std::size_t>(i)];
      if (at >= 0 && at % shape_.stride < shape_.cols)
        packed.push_back(value);
      else
        EXPECT_EQ(value, kFence) << "element " << i << " lies outside the matrix";
    }
    return packed;
  }

 private:
  static constexpr float kFence = 12345.0f;
  Backend* backend_;
  Shape shape_;
  Array<float> memory_;
};

}  // namespace softwarp
