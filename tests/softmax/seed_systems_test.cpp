// softwarp began with a learner's question of how to backpropagate through softmax. Each attempt of
// that question is here, the wrong ones to show that the gradient check rejects them.

#include <gtest/gtest.h>

#include "tests/backends.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using reference::Row;

const std::vector<float> kLogits = {1.0f, 2.0f, 3.0f, 4.1f, -1.5f};
const std::vector<float> kGradient = {0.3f, -0.2f, 0.9f, -0.5f, 0.1f};

Row computed_softmax(Backend& backend, const std::vector<float>& x, std::int64_t rows = 1) {
  const auto values = upload(backend, x);
  const auto view = matrix_view(values.data(), rows, values.size() / rows);
  backend.softmax(view, view);
  const auto y = download(backend, values.data(), values.size());
  return Row(y.begin(), y.end());
}

// d<g, softmax(x)>/dx by central differences.
Row finite_differences(const Row& x, const Row& g) {
  Row dx;
  for (std::size_t j = 0; j < x.size(); ++j) {
    const auto value = [&](double h) {
      Row moved = x;
      moved[j] += h;
      const Row y = reference::softmax(moved);
      double dot = 0;
      for (std::size_t i = 0; i < y.size(); ++i) dot += g[i] * y[i];
      return dot;
    };
    dx.push_back((value(1e-5) - value(-1e-5)) / 2e-5);
  }
  return dx;
}

double worst(const Row& a, const Row& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

constexpr double kPasses = 1e-6;  // what the gradient check lets through

const Row kX(kLogits.begin(), kLogits.end());
const Row kG(kGradient.begin(), kGradient.end());

TEST(SeedSystems, TheNaiveSoftmaxOverflowsWhereOursDoesNot) {
  EXPECT_TRUE(std::isnan(reference::naive_softmax({1000, 999, 0})[0]));
  for (const auto& backend : make_backends()) {
    const Row y = computed_softmax(*backend, {1000, 999, 0});
    EXPECT_NEAR(y[0], 1 / (1 + std::exp(-1.0)), 1e-7);
    EXPECT_NEAR(y[1], 1 / (1 + std::exp(1.0)), 1e-7);
    EXPECT_EQ(y[2], 0);
  }
}

// np.exp(x - np.max(x)) over a whole matrix lets one row's maximum flush another's.
TEST(SeedSystems, TheStableSoftmaxIsTakenRowByRow) {
  for (const auto& backend : make_backends()) {
    const Row y = computed_softmax(*backend, {1, 2, 1001, 1003}, 2);
    EXPECT_NEAR(y[0], 1 / (1 + std::exp(1.0)), 1e-7);
    EXPECT_NEAR(y[2], 1 / (1 + std::exp(2.0)), 1e-7);
  }
}

TEST(SeedSystems, TheBackwardPassesTheGradientCheck) {
  for (const auto& backend : make_backends()) {
    const auto y = upload(*backend, kLogits), g = upload(*backend, kGradient);
    const auto y_view = matrix_view(y.data(), 1, 5), g_view = matrix_view(g.data(), 1, 5);
    backend->softmax(y_view, y_view);
    backend->softmax_backward(y_view, g_view, g_view);
    const auto dx = download(*backend, g.data(), 5);
    EXPECT_LT(worst(Row(dx.begin(), dx.end()), finite_differences(kX, kG)), kPasses);
  }
}

// The asker's local gradient put the logits where the softmax value belongs, and a vector x (1 - x) where a
// matrix belongs.
TEST(SeedSystems, TheAskersLocalGradientIsRejected) {
  const Row expected = finite_differences(kX, kG), y = reference::softmax(kX);
  Row with_logits, with_a_vector;
  for (std::size_t i = 0; i < y.size(); ++i) {
    with_logits.push_back(kG[i] * kX[i] * (1 - kX[i]));
    with_a_vector.push_back(kG[i] * y[i] * (1 - y[i]));
  }
  EXPECT_GT(worst(with_logits, expected), 1e3 * kPasses);
  EXPECT_GT(worst(with_a_vector, expected), 1e3 * kPasses);
}

TEST(SeedSystems, TheJacobianByCasesIsDiagonalMinusOuterProduct) {
  for (const auto& backend : make_backends()) {
    const auto y = upload(*backend, kLogits);
    const auto y_view = matrix_view(y.data(), 1, 5);
    const Matrix jacobian = backend->make_matrix(5, 5);
    backend->softmax(y_view, y_view);
    backend->softmax_jacobian(y_view, jacobian.view());
    const auto j = download(*backend, jacobian.data(), 25);
    const Row s = reference::softmax(kX);
    for (std::size_t i = 0; i < 5; ++i) {
      double sum = 0;
      for (std::size_t k = 0; k < 5; ++k) {
        const double by_cases = i == k ? s[i] * (1 - s[i]) : -s[i] * s[k];
        const double diagonal_minus_outer = (i == k ? s[i] : 0) - s[i] * s[k];
        EXPECT_NEAR(j[5 * i + k], by_cases, 2e-7);
        EXPECT_NEAR(j[5 * i + k], diagonal_minus_outer, 2e-7);
        sum += j[5 * i + k];
      }
      EXPECT_NEAR(sum, 0, 2e-7);  // the values sum to 1 however x moves
    }
  }
}

TEST(SeedSystems, TheBackwardWithoutTheMatrixEqualsTheProductWithIt) {
  for (const auto& backend : make_backends()) {
    const auto x = reference::random_floats(7 * 19, 1, 3), g = reference::random_floats(7 * 19, 2);
    const auto y = upload(*backend, x), dy = upload(*backend, g);
    const auto y_view = matrix_view(y.data(), 7, 19), dy_view = matrix_view(dy.data(), 7, 19);
    const Matrix jacobian = backend->make_matrix(7 * 19, 19), dx = backend->make_matrix(7, 19);
    backend->softmax(y_view, y_view);
    backend->softmax_jacobian(y_view, jacobian.view());
    backend->softmax_backward(y_view, dy_view, dx.view());
    const auto j = download(*backend, jacobian.data(), 7 * 19 * 19),
               fast = download(*backend, dx.data(), 7 * 19);
    for (std::size_t r = 0; r < 7; ++r)
      for (std::size_t c = 0; c < 19; ++c) {
        double product = 0;
        for (std::size_t i = 0; i < 19; ++i) product += g[r * 19 + i] * j[(r * 19 + i) * 19 + c];
        EXPECT_NEAR(fast[r * 19 + c], product, 1e-6);
      }
  }
}

// Softmax's backward applied to cross-entropy's gradient, -onehot / y, is delta3 = a2 - y.
TEST(SeedSystems, SoftmaxAndCrossEntropyTogetherGiveProbabilitiesMinusOnehot) {
  const Row y = reference::softmax(kX);
  Row g(y.size());
  g[2] = -1 / y[2];
  const Row dx = reference::softmax_backward(y, g);
  for (const auto& backend : make_backends()) {
    const auto logits = upload(*backend, kLogits);
    const auto target = upload<std::int32_t>(*backend, {2});
    const auto sums = backend->make_array<CrossEntropySums>(1);
    const auto view = matrix_view(logits.data(), 1, 5);
    backend->softmax_cross_entropy(view, target.data(), {}, nullptr, view, sums.data());
    const auto fused = download(*backend, logits.data(), 5);
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(fused[i], y[i] - (i == 2 ? 1 : 0), 1e-7);
      EXPECT_NEAR(fused[i], dx[i], 1e-7);
    }
  }
}

}  // namespace
}  // namespace softwarp
