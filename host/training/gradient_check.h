#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/model/mlp.h"

namespace softwarp {

// A network and one batch for it, on the host.
struct GradientProblem {
  MlpShape shape;
  std::vector<float> values;         // laid out as ParameterLayout(shape) says
  std::vector<float> inputs;         // [batch, shape.inputs]
  std::vector<std::int32_t> labels;  // [batch]
  float label_smoothing = 0;

  std::int64_t batch() const { return std::ssize(labels); }
};

// Initial parameters as a training's, with biases drawn as well, and inputs and labels drawn from `seed`.
GradientProblem draw_problem(const MlpShape& shape, Initialization initialization, std::int64_t batch,
                             std::uint64_t seed);

// The gradient of the mean cross-entropy by the backend's own forward and backward, as a training step
// computes it; laid out as the values.
[[nodiscard]] std::vector<float> backward_gradient(Backend& backend, const GradientProblem& problem);

// The result for one parameter tensor, or one of its elements.
struct TensorCheck {
  ParameterTensor tensor;
  std::int64_t compared = 0;
  std::int64_t at_kinks = 0;  // not compared: the differences' step crosses relu's kink
  double largest = 0;         // derivative by finite differences, absolute
  // Of the element that is furthest off.
  std::int64_t worst = 0;  // index in the tensor
  double backward = 0;
  double numeric = 0;

  double difference() const;  // of that element, absolute
  // The difference divided by the tensor's largest derivative. Float sums leave about 1e-6, a wrong formula
  // a share that one can see.
  double relative_difference() const;
  std::string worst_name() const;  // "fc1.weight[3, 4]", as PyTorch indexes it
};

// Compares a tensor's part of a gradient with central differences of the loss, which is computed in double
// from its definition alone: z_i = h_{i-1} W_iᵀ + b_i, h_i = f(z_i), loss = mean of -log softmax(z_L) at the
// labels; in at most `samples` elements, spread evenly; 0: in all.
[[nodiscard]] TensorCheck check_gradient(const GradientProblem& problem, const std::vector<float>& gradient,
                                         const ParameterTensor& tensor, std::int64_t samples);

}  // namespace softwarp
