#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/io/number_table.h"
#include "host/program/compare.h"
#include "host/training/gradient_check.h"

namespace softwarp::program {

// A parameter's gradient, in the shape that somebody gave it.
struct ParameterGradient {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};
using Gradients = std::vector<ParameterGradient>;  // one a tensor, in ParameterLayout's order

// safetensors: the parameters as a model's file has them, fc1.weight [outputs, inputs], ...; their gradients,
// fc1.weight.grad, ...; inputs [batch, inputs] and labels [batch]; activation and label smoothing in the
// metadata. Throws Error.
void write_problem(const std::filesystem::path& path, const GradientProblem& problem,
                   const std::vector<float>& gradient);

// The tensors fc1.weight.grad, ... of such a file, F32 or F64, of whatever shape; others are left alone.
// Throws Error naming the file, what was expected and what was found.
Gradients read_gradients(const std::filesystem::path& path, const ParameterLayout& layout);

// The activations of one batch, in double.
struct NetworkPass {
  const GradientProblem& problem;
  std::vector<NumberTable> h;  // h[0] the inputs, h[i] the activation of layer i
  std::vector<NumberTable> z;  // z[i] = h[i - 1] W_i^T + b_i; z[0] the inputs
  NumberTable y;               // softmax of the last z
  NumberTable target;          // onehot, or what label smoothing makes of it

  double batch() const { return static_cast<double>(problem.batch()); }
};

// The steps of a backward, each of which can be replaced by a wrong one. d is dL/dz of a layer, [batch,
// outputs].
struct BackwardSteps {
  NumberTable (*logits)(const NetworkPass&);                                // d of the last layer
  double (*derivative)(Activation, double z, double h);                     // of the activation
  const NumberTable& (*inputs)(const NetworkPass&, std::size_t layer);      // what the layer's weights met
  ParameterGradient (*weight)(const NumberTable& d, const NumberTable& h);  // d^T h
  ParameterGradient (*bias)(const NumberTable& d);                          // d summed over the batch
  NumberTable (*back)(const NumberTable& d, const NumberTable& weight);     // d W, W being [outputs, inputs]
};
BackwardSteps right_steps();
Gradients backward(const NetworkPass& pass, const BackwardSteps& steps);
NetworkPass forward(const GradientProblem& problem);

// A step of the backward that people get wrong, and a sentence that says so.
struct WrongGradient {
  std::string_view name;
  void (*change)(BackwardSteps&);
  std::string_view sentence;
};
std::span<const WrongGradient> wrong_gradients();

// Somebody's gradient beside ours.
struct GradientComparison {
  std::string line;  // how it compares
  bool agrees = false;
  std::int64_t differing = 0;                     // tensors
  double largest = 0;                             // difference, as a share of its tensor's largest value
  std::string where;                              // "fc1.weight.grad[3, 4]"
  const WrongGradient* wrong_gradient = nullptr;  // which explains most of the tensors that differ
};

// `name` is the file's, for the line; `allowed` the share up to which differences are rounding.
GradientComparison compare(const GradientProblem& problem, const std::vector<float>& ours,
                           const Gradients& theirs, double allowed, const std::string& name);

}  // namespace softwarp::program
