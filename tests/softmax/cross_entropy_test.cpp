#include <gtest/gtest.h>

#include <limits>

#include "tests/backends.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using reference::Row;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Problem {
  std::int64_t rows, cols;
  std::vector<float> logits;
  std::vector<std::int32_t> targets;
  std::vector<float> weights;  // empty: none
  float smoothing = 0;

  Row class_weights() const {
    return weights.empty() ? Row(static_cast<std::size_t>(cols), 1.0) : Row(weights.begin(), weights.end());
  }
};

struct Result {
  std::vector<float> losses, gradient;
  CrossEntropySums sums;
};

Result run(Backend& backend, const Problem& p, bool in_place = false) {
  const auto logits = upload(backend, p.logits);
  const auto targets = upload(backend, p.targets);
  const auto weights = upload(backend, p.weights);
  const auto losses = backend.make_array<float>(p.rows);
  const Matrix other = backend.make_matrix(p.rows, p.cols);
  const auto sums = backend.make_array<CrossEntropySums>(1);
  const auto x = matrix_view(logits.data(), p.rows, p.cols), dx = in_place ? x : other.view();
  const CrossEntropyOptions options{.class_weights = p.weights.empty() ? nullptr : weights.data(),
                                    .label_smoothing = p.smoothing};
  backend.softmax_cross_entropy(x, targets.data(), options, losses.data(), dx, sums.data());
  return {download(backend, losses.data(), p.rows), download(backend, dx.data, p.rows * p.cols),
          backend.download(sums.data())};
}

Problem random_problem(std::int64_t rows, std::int64_t cols, bool weighted, float smoothing) {
  Problem p{.rows = rows,
            .cols = cols,
            .logits = reference::random_floats(static_cast<std::size_t>(rows * cols), 5, 3),
            .targets = {},
            .weights = {},
            .smoothing = smoothing};
  for (std::int64_t r = 0; r < rows; ++r)
    p.targets.push_back(r % 7 == 3 ? kIgnoreIndex : static_cast<std::int32_t>((r * 31 + 5) % cols));
  if (weighted)
    for (std::int64_t c = 0; c < cols; ++c) p.weights.push_back(0.25f + static_cast<float>(c % 5));
  return p;
}

// The mean's gradient by central differences of the definition, extrapolated once.
double gradient(const Problem& p, const Row& row, std::int32_t target, std::size_t column,
                double total_weight) {
  const auto loss = [&](double h) {
    Row moved = row;
    moved[column] += h;
    return reference::cross_entropy(moved, target, p.class_weights(), p.smoothing) / total_weight;
  };
  const auto central = [&](double h) { return (loss(h) - loss(-h)) / (2 * h); };
  return (4 * central(5e-4) - central(1e-3)) / 3;
}

TEST(CrossEntropy, MatchesTheDefinitionAndItsFiniteDifferencesOnEveryBackend) {
  for (const auto& backend : make_backends())
    for (const auto& [rows, cols] : {std::pair{1, 2}, {5, 10}, {128, 10}, {3, 33}, {2, 257}, {3, 1000}})
      for (const bool weighted : {false, true})
        for (const float smoothing : {0.0f, 0.1f, 1.0f}) {
          SCOPED_TRACE(backend->name() + " " + std::to_string(rows) + "x" + std::to_string(cols));
          const Problem p = random_problem(rows, cols, weighted, smoothing);
          const Result result = run(*backend, p);
          EXPECT_EQ(run(*backend, p, /*in_place=*/true).gradient, result.gradient);
          double loss = 0, weight = 0;
          std::int64_t correct = 0, counted = 0;
          for (std::size_t r = 0; r < p.targets.size(); ++r)
            if (p.targets[r] != kIgnoreIndex)
              weight += p.class_weights()[static_cast<std::size_t>(p.targets[r])];
          for (std::size_t r = 0; r < p.targets.size(); ++r) {
            const std::int32_t t = p.targets[r];
            const Row row = reference::row_of(p.logits, static_cast<std::int64_t>(r) * cols, cols);
            const double expected =
                t == kIgnoreIndex ? 0 : reference::cross_entropy(row, t, p.class_weights(), smoothing);
            ASSERT_NEAR(result.losses[r], expected, 2e-6 * (1 + expected));
            for (std::size_t c = 0; c < row.size(); ++c)
              ASSERT_NEAR(result.gradient[r * row.size() + c],
                          t == kIgnoreIndex ? 0 : gradient(p, row, t, c, weight), 4e-7 * (1 + 4 / weight))
                  << "row " << r << " column " << c;
            if (t == kIgnoreIndex) continue;
            loss += expected;
            ++counted;
            correct += std::max_element(row.begin(), row.end()) - row.begin() == t;
          }
          EXPECT_NEAR(result.sums.loss, loss, 1e-6 * (1 + loss));
          EXPECT_NEAR(result.sums.weight, weight, 1e-9 * weight);
          EXPECT_EQ(result.sums.rows, counted);
          EXPECT_EQ(result.sums.correct, correct);
          EXPECT_EQ(result.sums.invalid_targets, 0);
        }
}

TEST(CrossEntropy, WithoutAGradientGivesTheSameLoss) {
  for (const auto& backend : make_backends()) {
    const Problem p = random_problem(50, 10, true, 0.2f);
    const auto logits = upload(*backend, p.logits);
    const auto targets = upload(*backend, p.targets);
    const auto weights = upload(*backend, p.weights);
    const auto sums = backend->make_array<CrossEntropySums>(1);
    backend->softmax_cross_entropy(matrix_view(logits.data(), 50, 10), targets.data(),
                                   {.class_weights = weights.data(), .label_smoothing = 0.2f}, nullptr, {},
                                   sums.data());
    EXPECT_EQ(backend->download(sums.data()).loss, run(*backend, p).sums.loss);
    EXPECT_EQ(download(*backend, logits.data(), 500), p.logits);
  }
}

TEST(CrossEntropy, GivesZeroGradientsWhereEveryRowIsIgnored) {
  for (const auto& backend : make_backends()) {
    const Problem p{2, 3, {1, 2, 3, kInfinity, 5, 6}, {kIgnoreIndex, kIgnoreIndex}, {}, 0};
    const Result result = run(*backend, p);
    EXPECT_EQ(result.gradient, std::vector<float>(6, 0.0f));
    EXPECT_EQ(result.sums.rows, 0);
    EXPECT_TRUE(std::isnan(result.sums.loss / result.sums.weight));
  }
}

TEST(CrossEntropy, CountsBadTargetsAndMarksTheirRows) {
  for (const auto& backend : make_backends())
    for (const std::int32_t bad : {3, -1, 1 << 30, std::numeric_limits<std::int32_t>::min()}) {
      const Result result = run(*backend, {2, 3, {1, 2, 3, 4, 5, 7}, {bad, 2}, {}, 0});
      EXPECT_EQ(result.sums.invalid_targets, 1);
      EXPECT_TRUE(std::isnan(result.losses[0]) && std::isnan(result.sums.loss));
      for (std::size_t c = 0; c < 3; ++c) EXPECT_TRUE(std::isnan(result.gradient[c])) << c;
      for (std::size_t c = 3; c < 6; ++c) EXPECT_FALSE(std::isnan(result.gradient[c])) << c;
      EXPECT_EQ(result.sums.correct, 1);
    }
}

// Even if its target is the largest of the numbers, or the infinity itself.
TEST(CrossEntropy, HitsNothingInARowThatIsLost) {
  for (const auto& backend : make_backends())
    for (const std::int64_t cols : {2, 10, 40, 300, 3000})
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, 0.0f}) {
        SCOPED_TRACE(testing::Message() << backend->name() << ", " << cols << " columns, " << bad);
        const auto last = static_cast<std::int32_t>(cols - 1);
        std::vector<float> logits(static_cast<std::size_t>(2 * cols), -1.0f);
        logits[0] = 5;
        logits[static_cast<std::size_t>(last)] = bad;
        logits.back() = 5;
        const Result result = run(*backend, {2, cols, logits, {bad == kInfinity ? last : 0, last}, {}, 0});
        EXPECT_EQ(result.sums.correct, bad == 0 ? 2 : 1);
        EXPECT_EQ(result.sums.rows, 2);
      }
}

// Three calls that add to one sum: the second has a row that is lost.
TEST(CrossEntropy, CountsTheRowsUpToTheCallThatLosesTheLoss) {
  for (const auto& backend : make_backends())
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
      SCOPED_TRACE(backend->name());
      const auto sums = backend->make_array<CrossEntropySums>(1);
      const auto targets = upload(*backend, std::vector<std::int32_t>{1, kIgnoreIndex, 0});
      const auto rows_after = [&](float first) {
        const auto logits = upload(*backend, std::vector<float>{first, 2, 3, 4, 5, 6});
        backend->softmax_cross_entropy(matrix_view(logits.data(), 3, 2), targets.data(), {}, nullptr, {},
                                       sums.data());
        const auto now = backend->download(sums.data());
        return std::pair(now.rows, now.finite_rows);
      };
      EXPECT_EQ(rows_after(1), std::pair(std::int64_t{2}, std::int64_t{2}));
      EXPECT_EQ(rows_after(bad), std::pair(std::int64_t{4}, std::int64_t{2}));
      EXPECT_EQ(rows_after(1), std::pair(std::int64_t{6}, std::int64_t{2}));
    }
}

// The mean is over all 64 rows, of which a call has a part: powers of two, so that no bit differs.
TEST(CrossEntropy, OfAPartOfABatchHasThatPartsGradient) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const auto logits = upload(*backend, reference::random_floats(64 * 10, 5, 3));
    const auto targets = upload(*backend, std::vector<std::int32_t>(64, 4));
    const auto sums = backend->make_array<CrossEntropySums>(2);
    const Matrix whole = backend->make_matrix(64, 10), part = backend->make_matrix(16, 10);
    const auto rows_of = [&](std::int64_t first, std::int64_t rows) {
      return matrix_view(logits.data() + first * 10, rows, 10);
    };
    backend->softmax_cross_entropy(rows_of(0, 64), targets.data(), {.assume_all_valid = true}, nullptr,
                                   whole.view(), sums.data());
    backend->softmax_cross_entropy(rows_of(32, 16), targets.data(),
                                   {.assume_all_valid = true, .batch_rows = 64}, nullptr, part.view(),
                                   sums.data() + 1);
    EXPECT_EQ(download(*backend, part.view().data, 160), download(*backend, whole.view().data + 320, 160));
    EXPECT_EQ(backend->download(sums.data() + 1).rows, 16);
  }
}

// log(d) and x_t - m are kept apart: their sum would round a small loss away. The CPU keeps d - 1 as well; a
// GPU rounds d, as a float, to 24 bits.
TEST(CrossEntropy, KeepsTheDigitsOfSmallLossesAndGradients) {
  for (const auto& backend : make_backends()) {
    const Result result = run(*backend, {1, 2, {1000, 990}, {0}, {}, 0});
    const double p = 1 / (1 + std::exp(10.0));
    const bool on_cpu = backend->name().starts_with("cpu");
    EXPECT_NEAR(result.losses[0], std::log1p(std::exp(-10.0)), on_cpu ? 1e-10 : 6e-8);
    EXPECT_NEAR(result.gradient[0], -p, on_cpu ? 1e-11 : 6e-8);
    EXPECT_NEAR(result.gradient[1], p, 1e-11);
  }
}

TEST(CrossEntropy, TakesMaskedAndHugeLogits) {
  for (const auto& backend : make_backends()) {
    const Result result = run(*backend, {2, 3, {-kInfinity, 0, 0, 1e38f, -1e38f, 0}, {1, 0}, {}, 0});
    EXPECT_NEAR(result.losses[0], std::log(2.0), 1e-7);
    EXPECT_EQ(result.gradient[0], 0);
    EXPECT_EQ(result.losses[1], 0);
  }
}

TEST(Argmax, TakesTheFirstOfTheLargestAndNaNForLargest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& backend : make_backends())
    for (const std::int64_t cols : {3, 40, 300}) {
      std::vector<float> x(static_cast<std::size_t>(5 * cols), -1.0f);
      const auto at = [&](std::int64_t r, std::int64_t c) -> float& {
        return x[static_cast<std::size_t>(r * cols + c)];
      };
      at(0, 1) = at(0, 2) = 4;
      at(1, cols - 1) = 0;
      at(2, 0) = kInfinity, at(2, 1) = nan;
      for (std::int64_t c = 0; c < cols; ++c) at(3, c) = -kInfinity;
      at(4, 0) = -2;
      const auto memory = upload(*backend, x);
      const auto best = backend->make_array<std::int32_t>(5);
      backend->argmax(matrix_view(memory.data(), 5, cols), best.data());
      EXPECT_EQ(download(*backend, best.data(), 5),
                (std::vector<std::int32_t>{1, static_cast<std::int32_t>(cols - 1), 1, 0, 1}));
    }
}

}  // namespace
}  // namespace softwarp
