#include "host/training/gradient_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/activation.h"
#include "core/random.h"
#include "host/model/mlp_workspace.h"

namespace softwarp {
namespace {

// Of order h^4, what is left out is then below 1e-12, and cancellation below 1e-11.
constexpr double kStep = 1e-4;

// Two losses lie on one smooth piece if the same relus were on.
struct Loss {
  double value = 0;
  std::vector<bool> on;
};

Loss defined_loss(const GradientProblem& problem, const ParameterLayout& layout,
                  const std::vector<double>& values) {
  const MlpShape& shape = problem.shape;
  const auto at = [&](const ParameterTensor& tensor) {
    return values.data() + static_cast<std::size_t>(tensor.offset);
  };
  Loss loss;
  std::vector<double> h, z;
  for (std::size_t r = 0; r < problem.labels.size(); ++r) {
    const float* input = problem.inputs.data() + r * static_cast<std::size_t>(shape.inputs);
    z.assign(input, input + shape.inputs);
    for (std::int64_t i = 0; i < shape.layers(); ++i) {
      h = z;
      const double* w = at(layout.weight(i));
      const double* b = at(layout.bias(i));
      z.assign(b, b + shape.width(i + 1));
      for (double& sum : z)
        for (const double x : h) sum += *w++ * x;
      if (i + 1 == shape.layers()) break;
      if (shape.activation == Activation::relu)
        for (const double each : z) loss.on.push_back(each > 0);
      for (double& each : z) each = activate(shape.activation, each);
    }
    const double max = *std::max_element(z.begin(), z.end());
    double sum = 0, mean = 0;
    for (const double each : z) sum += std::exp(each - max), mean += each / static_cast<double>(z.size());
    const double log_sum = max + std::log(sum);
    const double e = problem.label_smoothing;
    loss.value += (1 - e) * (log_sum - z[static_cast<std::size_t>(problem.labels[r])]) + e * (log_sum - mean);
  }
  loss.value /= static_cast<double>(problem.labels.size());
  return loss;
}

// Richardson's extrapolation of central differences, whose error is of order h^4; false at a kink.
bool differentiate(const GradientProblem& problem, const ParameterLayout& layout, std::vector<double>& values,
                   std::size_t i, double& derivative) {
  const double value = values[i];
  bool smooth = true;
  std::vector<bool> on;
  const auto central = [&](double h) {
    values[i] = value + h;
    const Loss up = defined_loss(problem, layout, values);
    values[i] = value - h;
    const Loss down = defined_loss(problem, layout, values);
    if (on.empty()) on = up.on;
    smooth = smooth && up.on == on && down.on == on;
    return (up.value - down.value) / (2 * h);
  };
  derivative = (4 * central(kStep / 2) - central(kStep)) / 3;
  values[i] = value;
  return smooth;
}

}  // namespace

double TensorCheck::difference() const { return std::abs(backward - numeric); }

double TensorCheck::relative_difference() const {
  constexpr double kNothing = 1e-4;  // below it a whole tensor's derivatives are too small to compare with
  return difference() / std::max(largest, kNothing);
}

std::string TensorCheck::worst_name() const {
  if (tensor.is_bias()) return fmt::format("{}[{}]", tensor.name, worst);
  return fmt::format("{}[{}, {}]", tensor.name, worst / tensor.cols, worst % tensor.cols);
}

GradientProblem draw_problem(const MlpShape& shape, Initialization initialization, std::int64_t batch,
                             std::uint64_t seed) {
  GradientProblem problem;
  problem.shape = shape;
  const auto backend = make_cpu_backend(1);
  Mlp mlp(*backend, shape);
  mlp.initialize(initialization, seed);
  problem.values = mlp.values();
  const auto draw = [&](std::uint32_t stream, std::size_t i) {
    return random_words(seed, RandomPurpose::test, stream, 0, i)[0];
  };
  for (std::int64_t i = 0; i < shape.layers(); ++i)
    for (std::int64_t k = 0; k < mlp.layout().bias(i).size(); ++k) {
      const auto at = static_cast<std::size_t>(mlp.layout().bias(i).offset + k);
      problem.values[at] = 0.2f * uniform(draw(0, at)) - 0.1f;
    }
  problem.inputs.resize(static_cast<std::size_t>(batch * shape.inputs));
  for (std::size_t i = 0; i < problem.inputs.size(); ++i) problem.inputs[i] = 2 * uniform(draw(1, i)) - 1;
  problem.labels.resize(static_cast<std::size_t>(batch));
  for (std::size_t r = 0; r < problem.labels.size(); ++r)
    problem.labels[r] = static_cast<std::int32_t>(draw(2, r) % static_cast<std::uint64_t>(shape.classes));
  return problem;
}

std::vector<float> backward_gradient(Backend& backend, const GradientProblem& problem) {
  Mlp mlp(backend, problem.shape);
  mlp.set_values(problem.values);
  MlpWorkspace workspace(mlp, problem.batch(), /*trains=*/true);
  backend.upload<float>(problem.inputs, workspace.input().data);
  const auto targets = backend.make_array<std::int32_t>(problem.batch());
  backend.upload<std::int32_t>(problem.labels, targets.data());
  const auto sums = backend.make_array<CrossEntropySums>(1);
  const auto gradient = backend.make_array<float>(mlp.layout().size);
  workspace.forward();
  backend.softmax_cross_entropy(workspace.logits(), targets.data(),
                                {.label_smoothing = problem.label_smoothing, .assume_all_valid = true},
                                nullptr, workspace.logits(), sums.data());
  workspace.backward(gradient.data());
  std::vector<float> on_host(static_cast<std::size_t>(mlp.layout().size));
  backend.download<float>(gradient.data(), on_host);
  return on_host;
}

TensorCheck check_gradient(const GradientProblem& problem, const std::vector<float>& gradient,
                           const ParameterTensor& tensor, std::int64_t samples) {
  const ParameterLayout layout(problem.shape);
  std::vector<double> values(problem.values.begin(), problem.values.end());
  TensorCheck check;
  check.tensor = tensor;
  const std::int64_t count = samples == 0 ? tensor.size() : std::min(samples, tensor.size());
  for (std::int64_t s = 0; s < count; ++s) {
    const std::int64_t element = s * tensor.size() / count;
    const auto at = static_cast<std::size_t>(tensor.offset + element);
    double numeric = 0;
    if (!differentiate(problem, layout, values, at, numeric)) {
      ++check.at_kinks;
      continue;
    }
    check.largest = std::max(check.largest, std::abs(numeric));
    const double difference = std::abs(gradient[at] - numeric);
    // Written so that NaN is the worst, and stays it.
    const bool first = check.compared++ == 0;
    if (!first && (difference <= check.difference() || std::isnan(check.difference()))) continue;
    check.worst = element;
    check.backward = gradient[at];
    check.numeric = numeric;
  }
  return check;
}

}  // namespace softwarp
