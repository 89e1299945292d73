// Cross-entropy on the CPU with every set of instructions that this machine has, where its ways of taking
// rows meet: vectors of 1 to 16 floats, up to 8 of them a short row, 1 to 32 rows a block.

#include <gtest/gtest.h>

#include <barrier>
#include <cstring>
#include <limits>
#include <thread>

#include "tests/backends.h"
#include "tests/softmax/instructions.h"
#include "tests/softmax/placed.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using reference::Row;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Options {
  bool weighted, some_do_not_count;
  float smoothing;
};

struct Problem {
  Problem(const Shape& s, const Options& o)
      : shape(s),
        options(o),
        logits(reference::random_floats(static_cast<std::size_t>(s.rows * s.cols), 5, 3)),
        weights(static_cast<std::size_t>(s.cols), 1) {
    if (o.weighted)
      for (std::size_t c = 0; c < weights.size(); ++c) weights[c] = 0.25f + static_cast<float>(c % 5);
    for (std::int64_t r = 0; r < s.rows; ++r) {
      targets.push_back(static_cast<std::int32_t>((r * 31 + 5) % s.cols));
      if (o.some_do_not_count && r % 7 == 3) targets.back() = kIgnoreIndex;
      if (!counts(r)) continue;
      total_weight += static_cast<double>(weights[static_cast<std::size_t>(targets.back())]);
    }
  }
  bool counts(std::int64_t r) const { return targets[static_cast<std::size_t>(r)] != kIgnoreIndex; }

  Shape shape;
  Options options;
  std::vector<float> logits, weights;
  std::vector<std::int32_t> targets;
  double total_weight = 0;
};

struct Result {
  std::vector<float> losses, gradient;
  CrossEntropySums sums;
};

enum class Gradient { none, apart, in_place };

Result run(Backend& backend, const Problem& p, Gradient wanted) {
  const auto rows = static_cast<std::size_t>(p.shape.rows);
  const Placed x(backend, p.shape, p.logits), dx(backend, p.shape, std::vector<float>(p.logits.size(), -7));
  Result result{.losses = std::vector<float>(rows), .gradient = {}, .sums = {}};
  const MatrixView<float> to = wanted == Gradient::none    ? MatrixView<float>{}
                               : wanted == Gradient::apart ? dx.view()
                                                           : x.view();
  backend.softmax_cross_entropy(x.view(), p.targets.data(),
                                {.class_weights = p.options.weighted ? p.weights.data() : nullptr,
                                 .label_smoothing = p.options.smoothing},
                                result.losses.data(), to, &result.sums);
  if (wanted != Gradient::in_place) {
    EXPECT_EQ(std::memcmp(x.values().data(), p.logits.data(), p.logits.size() * sizeof(float)), 0);
  }
  if (wanted != Gradient::none) result.gradient = (wanted == Gradient::apart ? dx : x).values();
  return result;
}

void expect_definition(const Result& result, const Problem& p) {
  const Row weights(p.weights.begin(), p.weights.end());
  const double e = static_cast<double>(p.options.smoothing), cols = static_cast<double>(p.shape.cols);
  double loss = 0, weight_sum = 0;
  for (const double w : weights) weight_sum += w;
  std::int64_t correct = 0;
  for (std::int64_t r = 0; r < p.shape.rows; ++r) {
    const auto at = static_cast<std::size_t>(r);
    const auto t = static_cast<std::size_t>(p.counts(r) ? p.targets[at] : 0);
    const Row row = reference::row_of(p.logits, r * p.shape.cols, p.shape.cols), y = reference::softmax(row);
    const double expected = p.counts(r) ? reference::cross_entropy(row, p.targets[at], weights, e) : 0;
    ASSERT_NEAR(result.losses[at], expected, 2e-6 * (1 + expected)) << "row " << r;
    loss += expected;
    correct += p.counts(r) && std::max_element(row.begin(), row.end()) - row.begin() == p.targets[at];
    const double scale = (1 - e) * weights[t] + e * weight_sum / cols;
    for (std::size_t c = 0; c < row.size() && !result.gradient.empty(); ++c) {
      const double slope = scale * y[c] - e / cols * weights[c] - (c == t ? (1 - e) * weights[t] : 0);
      ASSERT_NEAR(result.gradient[at * row.size() + c], p.counts(r) ? slope / p.total_weight : 0,
                  1e-6 * scale / p.total_weight)
          << "row " << r << " column " << c;
    }
  }
  EXPECT_NEAR(result.sums.loss, loss, 1e-6 * (1 + loss));
  EXPECT_NEAR(result.sums.weight, p.total_weight, 1e-9 * p.total_weight);
  EXPECT_EQ(result.sums.correct, correct);
}

// 1 to 40 columns; borders of short rows (8 vectors of 1, 4, 8, 16 floats); blocks of 31, 8 and 1 rows.
std::vector<std::int64_t> columns() {
  std::vector<std::int64_t> cols;
  for (std::int64_t c = 1; c <= 40; ++c) cols.push_back(c);
  for (const std::int64_t c : {63, 64, 65, 127, 128, 129, 257, 1000, 8193}) cols.push_back(c);
  return cols;
}

TEST(CrossEntropyRows, MatchTheDefinitionWhereverTheyLieAndHoweverManyThereAre) {
  const auto backend = make_cpu_backend(1);
  for_instructions([&] {
    for (const std::int64_t cols : columns())
      for (const std::int64_t rows : {1, 31, 32, 33, 70})
        for (const auto& [gap, offset] : {std::pair{0, 0}, {0, 1}, {1, 3}, {6, 5}}) {
          if (rows * cols > 20000 && gap == 0) continue;
          const Shape shape{rows, cols, cols + gap, offset};
          for (const Options& o : {Options{false, false, 0}, {true, true, 0.1f}, {false, true, 0.1f}}) {
            SCOPED_TRACE(testing::Message() << rows << "x" << cols << ", stride " << shape.stride
                                            << ", offset " << offset << ", smoothing " << o.smoothing);
            const Problem p(shape, o);
            const Result result = run(*backend, p, Gradient::apart);
            expect_definition(result, p);
            EXPECT_EQ(run(*backend, p, Gradient::in_place).gradient, result.gradient);
            const Result loss_alone = run(*backend, p, Gradient::none);
            EXPECT_EQ(loss_alone.losses, result.losses);
            EXPECT_EQ(loss_alone.sums.loss, result.sums.loss);
            if (testing::Test::HasFailure()) return;
          }
        }
  });
}

// The largest value stands at two places; the first of them is the answer.
TEST(CrossEntropyRows, HitTheFirstOfTheLargestAlone) {
  const auto backend = make_cpu_backend(1);
  for_instructions([&] {
    for (const std::int64_t cols : columns()) {
      if (cols > 300) continue;
      std::vector<float> logits;
      std::vector<std::int32_t> targets;
      std::int64_t correct = 0;
      for (std::int64_t first = 0; first < cols; ++first)
        for (const std::int64_t second : {first + 1, first + 5, first + 17, cols - 1}) {
          std::vector<float> row(static_cast<std::size_t>(cols), -1.0f);
          row[static_cast<std::size_t>(first)] = 4;
          if (second > first && second < cols) row[static_cast<std::size_t>(second)] = 4;
          logits.insert(logits.end(), row.begin(), row.end());
          targets.push_back(static_cast<std::int32_t>(second % 2 == 0 || second >= cols ? first : second));
          correct += targets.back() == first;
        }
      CrossEntropySums sums;
      const auto rows = std::ssize(targets);
      backend->softmax_cross_entropy(matrix_view(logits.data(), rows, cols), targets.data(), {}, nullptr, {},
                                     &sums);
      EXPECT_EQ(sums.correct, correct) << cols << " columns";
    }
  });
}

// One bad row, between good ones: NaN, +inf, no finite entry, or a target that is no class.
TEST(CrossEntropyRows, KeepWhatIsBadToThemselves) {
  const auto backend = make_cpu_backend(1);
  for_instructions([&] {
    for (const std::int64_t cols : columns())
      for (const std::int64_t bad : {0, 16, 33})
        for (const float value : {kNan, kInfinity, -kInfinity, 0.0f}) {
          SCOPED_TRACE(testing::Message() << cols << " columns, row " << bad << ", " << value);
          Problem p({34, cols, cols, 0}, {false, false, 0});
          const Result good = run(*backend, p, Gradient::apart);
          const auto row = static_cast<std::size_t>(bad), n = static_cast<std::size_t>(cols);
          const auto begin = p.logits.begin() + bad * cols;
          if (value == 0)
            p.targets[row] = static_cast<std::int32_t>(cols);
          else if (value == -kInfinity)
            std::fill_n(begin, cols, value);
          else
            *(begin + cols / 2) = value;
          if (value != 0) p.targets[row] = static_cast<std::int32_t>(cols / 2);
          const Result result = run(*backend, p, Gradient::apart);
          EXPECT_TRUE(std::isnan(result.sums.loss));
          EXPECT_EQ(result.sums.invalid_targets, value == 0);
          std::int64_t correct = 0;
          for (std::size_t r = 0; r < 34; ++r) {
            const bool is_bad = r == row;
            EXPECT_EQ(std::isnan(result.losses[r]), is_bad) << r;
            for (std::size_t c = 0; c < n; ++c)
              ASSERT_EQ(std::isnan(result.gradient[r * n + c]), is_bad) << r << " " << c;
            if (is_bad) continue;
            EXPECT_EQ(result.losses[r], good.losses[r]) << r;
            const auto of_row = p.logits.begin() + static_cast<std::int64_t>(r) * cols;
            correct += std::max_element(of_row, of_row + cols) - of_row == p.targets[r];
          }
          EXPECT_EQ(result.sums.correct, correct);
        }
  });
}

TEST(CrossEntropyRows, LoseInfinitelyWhereTheTargetIsMasked) {
  const auto backend = make_cpu_backend(1);
  for_instructions([&] {
    for (const std::int64_t cols : columns()) {
      if (cols == 1) continue;
      Problem p({33, cols, cols, 0}, {false, false, 0});
      for (std::size_t r = 0; r < 33; ++r)
        p.logits[r * static_cast<std::size_t>(cols) + static_cast<std::size_t>(p.targets[r])] = -kInfinity;
      const Result result = run(*backend, p, Gradient::apart);
      EXPECT_EQ(result.losses, std::vector<float>(33, kInfinity)) << cols << " columns";
      for (std::size_t r = 0; r < 33; ++r)  // p - onehot over the rows, p = 0
        EXPECT_EQ(
            result.gradient[r * static_cast<std::size_t>(cols) + static_cast<std::size_t>(p.targets[r])],
            -1 / 33.0f);
    }
  });
}

TEST(CrossEntropyRows, GiveTheSameBitsForAnyNumberOfThreads) {
  for (const auto& [rows, cols] : {std::pair{4096, 10}, {1000, 100}, {333, 129}, {301, 1000}, {5, 9001}}) {
    const Problem p({rows, cols, cols, 0}, {true, true, 0.1f});
    const Result one = run(*make_cpu_backend(1), p, Gradient::apart);
    for (const int threads : {2, 3, 8}) {
      const Result result = run(*make_cpu_backend(threads), p, Gradient::apart);
      EXPECT_EQ(result.sums.loss, one.sums.loss) << rows << "x" << cols;
      EXPECT_EQ(result.sums.correct, one.sums.correct);
      EXPECT_EQ(result.losses, one.losses);
      EXPECT_EQ(result.gradient, one.gradient);
    }
  }
}

// Callers in threads of their own, which start each round together.
TEST(CrossEntropyRows, OfCallersAtOneTimeStayApart) {
  constexpr std::size_t kCallers = 4;
  constexpr int kRounds = 200;
  std::vector<int> wrong(kCallers);
  std::barrier start(kCallers);
  {
    std::vector<std::jthread> callers;
    for (std::size_t c = 0; c < kCallers; ++c)
      callers.emplace_back([&, c] {
        const std::int64_t rows = 1000 + 500 * static_cast<std::int64_t>(c);
        const Problem p({rows, 10, 10, 0}, {false, true, 0});
        const auto backend = make_cpu_backend(1);
        const double loss = run(*backend, p, Gradient::apart).sums.loss;
        for (int round = 0; round < kRounds; ++round) {
          start.arrive_and_wait();
          wrong[c] += run(*backend, p, Gradient::apart).sums.loss != loss;
        }
      });
  }
  EXPECT_EQ(wrong, std::vector<int>(kCallers));
}

}  // namespace
}  // namespace softwarp
