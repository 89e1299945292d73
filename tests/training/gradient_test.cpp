// The whole network's gradient against finite differences of its definition in double. Accuracy proves no
// gradient: a version of the notebook without the sigmoid's derivative scored the same 0.9611.

#include <gtest/gtest.h>

#include <random>

#include "host/model/pass.h"
#include "tests/backends.h"
#include "tests/training/reference_network.h"

namespace softwarp {
namespace {

struct Case {
  MlpShape shape;
  std::int64_t batch;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.shape.text() << " batch " << c.batch << " activation "
             << static_cast<int>(c.shape.activation);
}

struct Problem {
  explicit Problem(const Case& c)
      : shape(c.shape), values(static_cast<std::size_t>(ParameterLayout(shape).size)) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& value : values) value = 0.4f * normal(random);
    images.resize(static_cast<std::size_t>(c.batch * shape.inputs));
    for (float& pixel : images) pixel = normal(random);
    for (std::int64_t r = 0; r < c.batch; ++r)
      labels.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(shape.classes)));
  }

  double loss(std::size_t changed, double by) const {
    std::vector<double> moved(values.begin(), values.end());
    moved[changed] += by;
    return reference_loss(shape, moved, {images.begin(), images.end()}, labels);
  }

  // Richardson's extrapolation of central differences: the error is of order h^4.
  double gradient(std::size_t i) const {
    const auto central = [&](double h) { return (loss(i, h) - loss(i, -h)) / (2 * h); };
    return (4 * central(5e-5) - central(1e-4)) / 3;
  }

  MlpShape shape;
  std::vector<float> values;
  std::vector<float> images;
  std::vector<std::int32_t> labels;
};

std::vector<float> computed_gradient(Backend& backend, const Problem& problem) {
  const auto batch = static_cast<std::int64_t>(problem.labels.size());
  Mlp mlp(backend, problem.shape);
  mlp.set_values(problem.values);
  Pass pass(mlp, batch, /*trains=*/true);
  backend.upload<float>(problem.images, pass.input().data);
  const auto targets = upload(backend, problem.labels);
  const auto sums = backend.make_array<CrossEntropySums>(1);
  const auto gradients = backend.make_array<float>(mlp.layout().size);
  pass.forward();
  backend.softmax_cross_entropy(pass.logits(), targets.data(), {}, nullptr, pass.logits(), sums.data());
  pass.backward(gradients.data());
  return download(backend, gradients.data(), mlp.layout().size);
}

class NetworkGradient : public testing::TestWithParam<Case> {};

TEST_P(NetworkGradient, MatchesFiniteDifferencesOnEveryBackend) {
  const Problem problem(GetParam());
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const std::vector<float> gradient = computed_gradient(*backend, problem);
    for (const ParameterTensor& tensor : ParameterLayout(problem.shape).tensors)
      for (std::int64_t k = 0; k < tensor.size(); ++k) {
        const auto i = static_cast<std::size_t>(tensor.offset + k);
        // Sums of a few dozen float products of size 1.
        ASSERT_NEAR(gradient[i], problem.gradient(i), 4e-6) << tensor.name << " element " << k;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, NetworkGradient,
                         testing::Values(Case{{5, {}, 3, Activation::relu}, 4},
                                         Case{{7, {6}, 4, Activation::sigmoid}, 5},
                                         Case{{7, {6, 5}, 4, Activation::tanh}, 3},
                                         Case{{9, {8, 7}, 10, Activation::gelu}, 6},
                                         Case{{9, {17, 5, 4}, 3, Activation::relu}, 1},
                                         Case{{4, {3, 3, 3, 3}, 2, Activation::identity}, 8}));

}  // namespace
}  // namespace softwarp
