#include "host/program/gradient_answers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <utility>

#include "host/io/safetensors.h"
#include "host/model/names.h"

namespace softwarp::program {
namespace {

template <class T>
Tensor tensor_of(const std::string& name, const char* dtype, const std::vector<std::int64_t>& shape,
                 std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  return {name, dtype, shape, {bytes.begin(), bytes.end()}};
}

std::vector<std::int64_t> shape_of(const ParameterTensor& tensor) {
  if (tensor.is_bias()) return {tensor.rows};
  return {tensor.rows, tensor.cols};
}

std::string gradient_name(const ParameterTensor& tensor) { return tensor.name + ".grad"; }

template <class T>
std::vector<double> values_of(const Tensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return {values.begin(), values.end()};
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// How one tensor compares.
struct TensorComparison {
  bool same_shape = false;
  Difference difference;
  double share = 0;  // the difference by the tensor's largest value
};

// Below it a tensor's derivatives are too small to compare with, as in gradient_check.
constexpr double kNothing = 1e-4;

TensorComparison compare(const ParameterGradient& theirs, const ParameterGradient& ours) {
  TensorComparison c{theirs.shape == ours.shape, {}, 0};
  if (!c.same_shape) return c;
  c.difference = largest_difference(theirs.values, ours.values);
  c.share = c.difference.largest / largest_magnitude(ours.values, kNothing);
  return c;
}

bool agrees(const TensorComparison& c, double allowed) { return c.same_shape && c.share <= allowed; }

// One element of a tensor: fc1.weight.grad[3, 4].
std::string element_name(const ParameterTensor& tensor, std::size_t element) {
  const auto at = static_cast<std::int64_t>(element);
  if (tensor.is_bias()) return fmt::format("{}[{}]", gradient_name(tensor), at);
  return fmt::format("{}[{}, {}]", gradient_name(tensor), at / tensor.cols, at % tensor.cols);
}

bool is_further(double share, double largest) {  // NaN is the furthest
  return std::isnan(share) ? !std::isnan(largest) : share > largest;
}

// The wrong gradient that gives the most of the tensors that differ from ours, `explained`; of equals, the
// one that gives more of the others, too.
const WrongGradient* recognise(const NetworkPass& pass, const Gradients& theirs,
                               const std::vector<std::size_t>& differing, double allowed,
                               std::vector<std::size_t>& explained) {
  const WrongGradient* best = nullptr;
  std::ptrdiff_t best_given = 0;
  for (const WrongGradient& wrong : wrong_gradients()) {
    BackwardSteps steps = right_steps();
    wrong.change(steps);
    const Gradients gradients = backward(pass, steps);
    const auto gives = [&](std::size_t i) { return agrees(compare(theirs[i], gradients[i]), allowed); };
    std::vector<std::size_t> same;
    std::ranges::copy_if(differing, std::back_inserter(same), gives);
    std::ptrdiff_t given = 0;
    for (std::size_t i = 0; i < theirs.size(); ++i) given += gives(i) ? 1 : 0;
    if (same.empty() || std::pair(same.size(), given) <= std::pair(explained.size(), best_given)) continue;
    explained = same, best_given = given, best = &wrong;
  }
  return best;
}

}  // namespace

void write_problem(const std::filesystem::path& path, const GradientProblem& problem,
                   const std::vector<float>& gradient) {
  SafetensorsFile file;
  file.metadata = {{"network", problem.shape.text()},
                   {"activation", std::string(name_of(problem.shape.activation))},
                   {"label_smoothing", fmt::format("{}", problem.label_smoothing)}};
  const std::vector<std::int64_t> labels(problem.labels.begin(), problem.labels.end());
  file.tensors.push_back(tensor_of<std::int64_t>("labels", "I64", {problem.batch()}, labels));
  file.tensors.push_back(
      tensor_of<float>("inputs", "F32", {problem.batch(), problem.shape.inputs}, problem.inputs));
  const auto add = [&](const std::string& name, const ParameterTensor& tensor,
                       const std::vector<float>& all) {
    const auto values = std::span(all).subspan(static_cast<std::size_t>(tensor.offset),
                                               static_cast<std::size_t>(tensor.size()));
    file.tensors.push_back(tensor_of<float>(name, "F32", shape_of(tensor), values));
  };
  const ParameterLayout layout(problem.shape);
  for (const ParameterTensor& tensor : layout.tensors) add(tensor.name, tensor, problem.values);
  for (const ParameterTensor& tensor : layout.tensors) add(gradient_name(tensor), tensor, gradient);
  write_safetensors(path, file);
}

Gradients read_gradients(const std::filesystem::path& path, const ParameterLayout& layout) {
  const SafetensorsFile file = read_safetensors(path);
  Gradients gradients;
  for (const ParameterTensor& tensor : layout.tensors) {
    const std::string name = gradient_name(tensor);
    const Tensor* found = file.find(name);
    if (found == nullptr)
      throw Error(fmt::format("{}: expected a tensor {} {}, found none", path.string(), name,
                              shape_text(shape_of(tensor))));
    if (found->dtype != "F32" && found->dtype != "F64")
      throw Error(fmt::format("{}: expected F32 or F64 in {}, found {}", path.string(), name, found->dtype));
    gradients.push_back(
        {found->shape, found->dtype == "F32" ? values_of<float>(*found) : values_of<double>(*found)});
  }
  return gradients;
}

GradientComparison compare(const GradientProblem& problem, const std::vector<float>& ours,
                           const Gradients& theirs, double allowed, const std::string& name) {
  const ParameterLayout layout(problem.shape);
  GradientComparison result;
  std::vector<std::size_t> differing;
  std::string wrong_shape, furthest;
  // From the last layer back, as the gradient flows: a wrong shape is told where it first occurs.
  for (std::size_t i = layout.tensors.size(); i-- > 0;) {
    const ParameterTensor& tensor = layout.tensors[i];
    const float* begin = ours.data() + tensor.offset;
    const ParameterGradient expected{shape_of(tensor), {begin, begin + tensor.size()}};
    const TensorComparison c = compare(theirs[i], expected);
    if (!agrees(c, allowed)) differing.push_back(i);
    if (!c.same_shape) {
      if (wrong_shape.empty())
        wrong_shape = fmt::format("{}: expected shape {}, found {}", gradient_name(tensor),
                                  shape_text(expected.shape), shape_text(theirs[i].shape));
      continue;
    }
    if (!result.where.empty() && !is_further(c.share, result.largest)) continue;
    const std::size_t at = c.difference.at;
    result.largest = c.share;
    result.where = element_name(tensor, at);
    furthest = fmt::format(
        "the largest difference is {:.6g}, {:.2g} of its tensor's largest value, at {}: expected {}, found "
        "{}",
        c.difference.largest, c.share, result.where, number_text(expected.values[at]),
        number_text(theirs[i].values[at]));
  }
  result.differing = std::ssize(differing);
  result.agrees = differing.empty();
  if (result.agrees) {
    result.line =
        fmt::format("{}: agrees; the largest difference is {:.2g} of its tensor's largest value, at {}", name,
                    result.largest, result.where);
    return result;
  }
  std::vector<std::size_t> explained;
  result.wrong_gradient = recognise(forward(problem), theirs, differing, allowed, explained);
  std::string meaning(result.wrong_gradient ? result.wrong_gradient->sentence
                                            : "it is no wrong gradient that softwarp knows");
  if (result.wrong_gradient && explained.size() < differing.size()) {
    std::string names;
    for (const std::size_t i : explained) names += gradient_name(layout.tensors[i]) + ", ";
    meaning = "in " + names + meaning;
  }
  result.line = fmt::format("{}: {} of {} tensors differ; {}; {}", name, differing.size(), theirs.size(),
                            wrong_shape.empty() ? furthest : wrong_shape, meaning);
  return result;
}

}  // namespace softwarp::program
