// The whole network's gradient against finite differences of its definition in double, with dropout under the
// same masks. Accuracy proves no gradient: a version of the notebook without the sigmoid's derivative scored
// the same 0.9611.

#include <gtest/gtest.h>

#include <random>

#include "host/model/mlp_workspace.h"
#include "tests/backends.h"
#include "tests/training/reference_network.h"

namespace softwarp {
namespace {

constexpr std::uint64_t kSeed = (std::uint64_t{5} << 32) + 1;
constexpr std::int64_t kStep = 7;

struct Case {
  MlpShape shape;
  std::int64_t batch;
  DropoutRates dropout = {};
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.shape.text() << " batch " << c.batch << " activation " << text_of(c.shape.activation)
             << " dropout " << c.dropout.input << " and " << c.dropout.hidden;
}

struct Problem {
  explicit Problem(const Case& c)
      : shape(c.shape),
        dropout(c.dropout),
        masks(defined_masks(shape, c.batch, dropout, kSeed, kStep)),
        values(static_cast<std::size_t>(ParameterLayout(shape).size)) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& value : values) value = 0.4f * normal(random);
    images.resize(static_cast<std::size_t>(c.batch * shape.inputs));
    for (float& pixel : images) pixel = normal(random);
    for (std::int64_t r = 0; r < c.batch; ++r)
      labels.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(shape.classes)));
  }

  double loss(std::size_t changed = 0, double by = 0) const {
    Doubles moved(values.begin(), values.end());
    moved[changed] += by;
    return reference_score(shape, moved, {images.begin(), images.end()}, labels, masks).loss;
  }

  // Richardson's extrapolation of central differences: the error is of order h^4.
  double gradient(std::size_t i) const {
    const auto central = [&](double h) { return (loss(i, h) - loss(i, -h)) / (2 * h); };
    return (4 * central(5e-5) - central(1e-4)) / 3;
  }

  MlpShape shape;
  DropoutRates dropout;
  Masks masks;
  std::vector<float> values;
  std::vector<float> images;
  std::vector<std::int32_t> labels;
};

struct Computed {
  double loss;
  std::vector<float> gradient;
};
Computed compute(Backend& backend, const Problem& problem) {
  const auto batch = static_cast<std::int64_t>(problem.labels.size());
  Mlp mlp(backend, problem.shape);
  mlp.set_values(problem.values);
  MlpWorkspace workspace(mlp, batch, /*trains=*/true, problem.dropout);
  backend.upload<float>(problem.images, workspace.input().data);
  const auto targets = upload(backend, problem.labels);
  const auto state = upload(backend, std::vector{TrainingState{.seed = kSeed, .step = kStep}});
  const auto sums = backend.make_array<CrossEntropySums>(1);
  const auto gradients = backend.make_array<float>(mlp.layout().size);
  workspace.forward(state.data());
  backend.softmax_cross_entropy(workspace.logits(), targets.data(), {}, nullptr, workspace.logits(),
                                sums.data());
  workspace.backward(gradients.data(), state.data());
  const CrossEntropySums sum = backend.download(sums.data());
  return {sum.loss / sum.weight, download(backend, gradients.data(), mlp.layout().size)};
}

class NetworkGradient : public testing::TestWithParam<Case> {};

TEST_P(NetworkGradient, MatchesFiniteDifferencesOnEveryBackend) {
  const Problem problem(GetParam());
  Doubles expected;
  for (std::size_t i = 0; i < problem.values.size(); ++i) expected.push_back(problem.gradient(i));
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const auto [loss, gradient] = compute(*backend, problem);
    EXPECT_NEAR(loss, problem.loss(), 4e-6);
    for (const ParameterTensor& tensor : ParameterLayout(problem.shape).tensors)
      for (std::int64_t k = 0; k < tensor.size(); ++k) {
        const auto i = static_cast<std::size_t>(tensor.offset + k);
        // Sums of a few dozen float products of size 1.
        ASSERT_NEAR(gradient[i], expected[i], 4e-6) << tensor.name << " element " << k;
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

// Layers of one width, so that each could take another's mask.
std::vector<Case> with_dropout() {
  std::vector<Case> cases;
  for (const Activation activation : kActivations)
    for (const DropoutRates rates : {DropoutRates{0.3f, 0}, {0, 0.4f}, {0.3f, 0.4f}})
      cases.push_back({{8, {8, 8, 8}, 4, activation}, 5, rates});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Dropout, NetworkGradient, testing::ValuesIn(with_dropout()));

// So the gradients above would not have been found with the mask of another layer, step or seed.
TEST(NetworkDropout, GivesAnotherLossWithAnotherMask) {
  constexpr double kApart = 1e-3;
  Problem problem({{8, {8, 8, 8}, 4, Activation::tanh}, 5, {0.3f, 0.4f}});
  const double right = problem.loss();
  const Masks masks = problem.masks;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    for (std::size_t other = 0; other < i; ++other) {
      std::swap(problem.masks[i], problem.masks[other]);
      EXPECT_GT(std::abs(problem.loss() - right), kApart) << "layers " << i << " and " << other;
      problem.masks = masks;
    }
    for (const auto& [seed, step] : {std::pair{kSeed, kStep + 1}, {kSeed, kStep - 1}, {kSeed + 1, kStep}}) {
      problem.masks[i] = defined_masks(problem.shape, 5, problem.dropout, seed, step)[i];
      EXPECT_GT(std::abs(problem.loss() - right), kApart) << "layer " << i << " step " << step;
      problem.masks = masks;
    }
  }
}

TEST(NetworkDropout, IsForTrainingAlone) {
  const Problem problem({{8, {8, 8, 8}, 4, Activation::tanh}, 5});
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    Mlp mlp(*backend, problem.shape);
    mlp.set_values(problem.values);
    const auto state = upload(*backend, std::vector{TrainingState{.seed = kSeed, .step = kStep}});
    std::vector<std::vector<float>> logits;
    for (const DropoutRates rates : {DropoutRates{}, {0.3f, 0.4f}}) {
      MlpWorkspace workspace(mlp, 5, /*trains=*/false, rates);
      backend->upload<float>(problem.images, workspace.input().data);
      workspace.forward(state.data());
      logits.push_back(download(*backend, workspace.logits().data, workspace.logits().size()));
    }
    EXPECT_EQ(logits[0], logits[1]);
  }
}

}  // namespace
}  // namespace softwarp
