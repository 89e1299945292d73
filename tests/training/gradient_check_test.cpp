// Does the gradient check find what is wrong? That right gradients pass is gradient_test's matter as well.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/training/gradient_check.h"
#include "tests/backends.h"

namespace softwarp {
namespace {

GradientProblem problem_of(Activation activation, float label_smoothing = 0) {
  GradientProblem problem = draw_problem({6, {5, 4}, 3, activation}, Initialization::kaiming, 4, 7);
  problem.label_smoothing = label_smoothing;
  return problem;
}

std::vector<TensorCheck> check_all(const GradientProblem& problem, const std::vector<float>& gradient,
                                   std::int64_t samples = 0) {
  std::vector<TensorCheck> checks;
  for (const ParameterTensor& tensor : ParameterLayout(problem.shape).tensors)
    checks.push_back(check_gradient(problem, gradient, tensor, samples));
  return checks;
}

TEST(GradientCheck, PassesTheGradientOfEveryBackend) {
  for (const Activation activation :
       {Activation::identity, Activation::relu, Activation::gelu, Activation::tanh, Activation::sigmoid})
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name());
      const GradientProblem problem = problem_of(activation, 0.1f);
      std::int64_t compared = 0;
      for (const TensorCheck& check : check_all(problem, backward_gradient(*backend, problem))) {
        EXPECT_LT(check.relative_difference(), 1e-5) << check.worst_name();
        EXPECT_GT(check.largest, 1e-3) << check.tensor.name;
        compared += check.compared + check.at_kinks;
      }
      EXPECT_EQ(compared, ParameterLayout(problem.shape).parameters);
    }
}

TEST(GradientCheck, NamesTheElementThatIsOff) {
  const GradientProblem problem = problem_of(Activation::tanh);
  const auto backend = make_cpu_backend(1);
  const auto right = backward_gradient(*backend, problem);
  const ParameterLayout layout(problem.shape);
  for (std::size_t t = 0; t < layout.tensors.size(); ++t) {
    const ParameterTensor& tensor = layout.tensors[t];
    const std::int64_t element = tensor.size() - 2;
    auto wrong = right;
    wrong[static_cast<std::size_t>(tensor.offset + element)] += 0.01f;
    const auto checks = check_all(problem, wrong);
    for (std::size_t other = 0; other < checks.size(); ++other)
      EXPECT_EQ(checks[other].difference() > 0.005, other == t) << tensor.name;
    EXPECT_EQ(checks[t].worst, element);
    EXPECT_NEAR(checks[t].backward - checks[t].numeric, 0.01, 1e-5);
  }
  EXPECT_EQ(TensorCheck({.tensor = layout.weight(1), .worst = 7}).worst_name(), "fc2.weight[1, 2]");
  EXPECT_EQ(TensorCheck({.tensor = layout.bias(2), .worst = 2}).worst_name(), "fc3.bias[2]");
}

TEST(GradientCheck, TakesNanForTheWorst) {
  const GradientProblem problem = problem_of(Activation::gelu);
  const auto backend = make_cpu_backend(1);
  auto gradient = backward_gradient(*backend, problem);
  gradient[3] = std::numeric_limits<float>::quiet_NaN();
  gradient[5] = 1e6f;
  const TensorCheck check = check_all(problem, gradient).front();
  EXPECT_EQ(check.worst, 3);
  EXPECT_TRUE(std::isnan(check.relative_difference()));
}

TEST(GradientCheck, LeavesKinksOut) {
  GradientProblem problem = problem_of(Activation::relu);
  const ParameterLayout layout(problem.shape);
  std::fill(problem.values.begin(), problem.values.end(), 0.0f);
  const auto backend = make_cpu_backend(1);
  const auto checks = check_all(problem, backward_gradient(*backend, problem));
  EXPECT_EQ(checks[1].at_kinks, 5);  // z = b = 0 in the first layer
  EXPECT_EQ(checks[1].compared, 0);
  EXPECT_EQ(checks[5].at_kinks, 0);  // the last layer has no relu
  EXPECT_EQ(checks[5].compared, 3);
}

TEST(GradientCheck, SpreadsItsSamples) {
  const GradientProblem problem = problem_of(Activation::sigmoid);
  const auto backend = make_cpu_backend(1);
  auto gradient = backward_gradient(*backend, problem);
  gradient[static_cast<std::size_t>(ParameterLayout(problem.shape).weight(0).offset) + 20] = 9;
  EXPECT_EQ(check_all(problem, gradient, 3)[0].compared, 3);
  EXPECT_EQ(check_all(problem, gradient, 3)[0].worst, 20);  // 0, 10 and 20 of 30
  EXPECT_EQ(check_all(problem, gradient, 1000)[0].compared, 30);
}

}  // namespace
}  // namespace softwarp
