#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/activation.h"

namespace softwarp {

// inputs -> hidden[0] -> ... -> classes, each arrow a linear layer, `activation` after every one but the
// last.
struct MlpShape {
  std::int64_t inputs = 0;
  std::vector<std::int64_t> hidden;
  std::int64_t classes = 0;
  Activation activation = Activation::relu;

  std::int64_t layers() const { return static_cast<std::int64_t>(hidden.size()) + 1; }
  // Layer i, counted from 0, maps width(i) values to width(i + 1).
  std::int64_t width(std::int64_t i) const;
  std::string text() const;  // "784-512-256-10"

  bool operator==(const MlpShape&) const = default;
};

// The place of one tensor in the flat parameter buffer. Named and shaped as PyTorch's nn.Linear has it:
// fc1.weight [outputs, inputs], fc1.bias [outputs] (cols 0), fc2.weight, ...
struct ParameterTensor {
  std::string name;
  std::int64_t offset = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t fan_in = 0;

  bool is_bias() const { return cols == 0; }
  std::int64_t size() const { return is_bias() ? rows : rows * cols; }
};

// All parameters in one buffer, so that one optimizer launch and one copy serve them all: first the weights,
// then the biases, each tensor aligned to 256 bytes. Gradients and moments have the same layout.
struct ParameterLayout {
  explicit ParameterLayout(const MlpShape& shape);

  const ParameterTensor& weight(std::int64_t layer) const {
    return tensors[static_cast<std::size_t>(2 * layer)];
  }
  const ParameterTensor& bias(std::int64_t layer) const {
    return tensors[static_cast<std::size_t>(2 * layer + 1)];
  }

  std::vector<ParameterTensor> tensors;  // fc1.weight, fc1.bias, fc2.weight, ...
  std::int64_t size = 0;                 // of the buffer, gaps between tensors included
  std::int64_t decayed = 0;              // the weights end here
  std::int64_t parameters = 0;           // without the gaps
};

}  // namespace softwarp
