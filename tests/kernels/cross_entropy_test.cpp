// Cross-entropy with its gradient on the device, against the definitions in double.

#include <softwarp/cross_entropy.h>

#include <gtest/gtest.h>

#include <cstdio>

#include "kernels/row_reduce/plan.h"
#include "tests/kernels/placed.h"
#include "tests/kernels/row_reference.h"

namespace softwarp {
namespace {

// One size of each form and beside its boundaries; 10: MNIST; 50257: a vocabulary.
const std::int64_t kCols[] = {1,    2,    3,    8,    10,    31,    32,    33,    65,
                              100,  127,  128,  129,  256,   257,   1000,  1024,  1025,
                              2047, 4097, 8193, 9000, 16385, 33000, 50257, 70000, 140001};

enum class Targets { classes, some_ignored, all_ignored, some_bad };

struct Options {
  double smoothing = 0;
  bool weighted = false;
  Targets targets = Targets::classes;
};

// Everything that a call reads, and what it must give.
template <class T>
struct Problem {
  Problem(std::int64_t number_of_rows, std::int64_t number_of_cols, const Options& o)
      : rows(number_of_rows), cols(number_of_cols), options(o), x(random_numbers<T>(rows * cols, 3, 3)) {
    std::mt19937 random(4);
    for (std::int64_t r = 0; r < rows; ++r) {
      auto target = static_cast<std::int32_t>(random() % static_cast<unsigned>(cols));
      const bool special = r % 3 == 1;
      if (o.targets == Targets::all_ignored || (o.targets == Targets::some_ignored && special))
        target = kIgnoreIndex;
      if (o.targets == Targets::some_bad && special)
        target = r % 2 == 0 ? -1 : static_cast<std::int32_t>(cols);
      targets.push_back(target);
      // Half of the rows are correct, some of them by a tie that a later column cannot win.
      if (target >= 0 && target < cols && r % 2 == 0) {
        const auto row = x.begin() + r * cols;
        *(row + target) =
            *std::max_element(row, row + cols, [](T a, T b) { return to_double(a) < to_double(b); });
        if (r % 4 == 0) *(row + cols - 1) = *(row + target);
      }
    }
    for (std::int64_t j = 0; j < cols; ++j)
      weights.push_back(o.weighted ? static_cast<float>(0.25 + 0.125 * static_cast<double>(j % 9)) : 1.0f);
    solve();
  }

  bool counts(std::int64_t r) const {
    const std::int32_t t = targets[static_cast<std::size_t>(r)];
    return t >= 0 && t < cols;
  }
  double x_at(std::int64_t r, std::int64_t j) const {
    return to_double(x[static_cast<std::size_t>(r * cols + j)]);
  }

  void solve() {
    using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const RowsReference reference = rows_reference(x, rows, cols);
    const double e = static_cast<float>(options.smoothing), n = static_cast<double>(cols), eps = kEpsilon<A>;
    double all_weights = 0;
    for (const float w : weights) all_weights += w;
    for (std::int64_t r = 0; r < rows; ++r)
      if (counts(r)) weight += weights[static_cast<std::size_t>(targets[static_cast<std::size_t>(r)])];
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int32_t t = targets[static_cast<std::size_t>(r)];
      const bool bad = !counts(r) && t != kIgnoreIndex;
      const double* log_y = reference.log_softmax.data() + r * cols;
      const double w = counts(r) ? weights[static_cast<std::size_t>(t)] : 0;
      double smooth = 0;
      for (std::int64_t j = 0; j < cols; ++j) smooth -= weights[static_cast<std::size_t>(j)] * log_y[j];
      double loss = counts(r) ? -(1 - e) * w * log_y[t] + (e > 0 ? e / n * smooth : 0) : 0;
      if (bad) loss = NAN;
      losses.push_back(loss);
      // The logarithm's own error, and x - m's rounding, as in log_softmax; a float holds the result.
      loss_tolerances.push_back(eps * ((4 + growth(cols)) * (w + e * all_weights / n) + 2 * std::abs(loss)) +
                                0x1p-23 * std::abs(loss));
      bool hit = counts(r);
      for (std::int64_t j = 0; hit && j < cols; ++j)
        hit = j < t ? x_at(r, j) < x_at(r, t) : x_at(r, j) <= x_at(r, t);
      correct += hit;
      not_ignored += t != kIgnoreIndex;
      invalid_targets += bad;
      loss_sum += loss;
      for (std::int64_t j = 0; j < cols; ++j) {
        const auto i = static_cast<std::size_t>(r * cols + j);
        const double share = e / n, of_target = (1 - e) * w, wj = weights[static_cast<std::size_t>(j)];
        const double scale = of_target + share * all_weights, p = reference.softmax[i];
        double g = counts(r) ? (scale * p - share * wj - (j == t ? of_target : 0)) / weight : 0;
        if (bad) g = NAN;
        gradients.push_back(g);
        gradient_tolerances.push_back((scale * softmax_tolerance<A>(p, reference.shifted[i], cols) +
                                       4 * eps * (of_target * (j == t) + share * wj)) /
                                      (weight > 0 ? weight : 1));
      }
    }
  }

  std::int64_t rows, cols;
  Options options;
  std::vector<T> x;
  std::vector<std::int32_t> targets;
  std::vector<float> weights;
  std::vector<double> losses, loss_tolerances, gradients, gradient_tolerances;
  double weight = 0, loss_sum = 0;
  std::int64_t correct = 0, not_ignored = 0, invalid_targets = 0;
};

struct Outcome {
  std::vector<float> losses;
  CrossEntropySums sums;
};

// One call with its own workspace; `dlogits` may be the logits. Twice, so that workspace and sums are seen to
// be left as they should.
template <class T>
Outcome run(const Problem<T>& p, MatrixView<const T> logits, MatrixView<T> dlogits, bool twice = false) {
  const DeviceArray<std::int32_t> targets(p.targets);
  const DeviceArray<float> weights(p.weights), weight(1);
  const DeviceArray<float> losses(std::vector<float>(static_cast<std::size_t>(p.rows), 7.0f));
  const DeviceArray<CrossEntropySums> sums(std::vector<CrossEntropySums>(1));
  const DeviceArray<char> workspace(
      std::vector<char>(cross_entropy_workspace_bytes(p.rows, p.cols, sizeof(T))));
  const CrossEntropyOptions options{.class_weights = p.options.weighted ? weights.data() : nullptr,
                                    .label_smoothing = static_cast<float>(p.options.smoothing),
                                    .ignore_index = kIgnoreIndex};
  const bool plain = !p.options.weighted && p.options.targets == Targets::classes;
  cross_entropy_weight(targets.data(), p.rows, p.cols, options, weight.data(), nullptr);
  for (int i = 0; i < (twice ? 2 : 1); ++i)
    softmax_cross_entropy<T>(logits, targets.data(), options, plain ? nullptr : weight.data(), losses.data(),
                             dlogits, sums.data(), {workspace.data(), workspace.bytes()}, nullptr);
  return {losses.download(), sums.value()};
}

template <class T>
void check_sums(const Problem<T>& p, const CrossEntropySums& sums) {
  EXPECT_EQ(sums.correct, p.correct);
  EXPECT_EQ(sums.rows, p.not_ignored);
  EXPECT_EQ(sums.invalid_targets, p.invalid_targets);
  EXPECT_NEAR(sums.weight, p.weight, 1e-6 * p.weight);
  if (p.invalid_targets > 0)
    EXPECT_TRUE(std::isnan(sums.loss));
  else
    EXPECT_NEAR(sums.loss, p.loss_sum, 1e-5 * std::abs(p.loss_sum));
}

template <class T>
void check(const Problem<T>& p, const Place& place, const Place& to, Worst& worst) {
  const Placed<T> x(place, p.cols, p.x);
  std::vector<T> first;
  Outcome outcome;
  // The run in place is another schedule.
  const bool compares_in_place = place.offset == to.offset && place.gap == to.gap;
  for (int schedule = 0; schedule < schedules(compares_in_place ? 1 : 2); ++schedule) {
    set_schedule(schedule);
    const Placed<T> dx(to, p.cols);
    const Outcome now = run<T>(p, x.view(), dx.view());
    const auto gradients = dx.values();
    if (schedule == 0) first = gradients, outcome = now;
    EXPECT_TRUE(same_bits(gradients, first) && same_bits(now.losses, outcome.losses)) << "another schedule";
    EXPECT_TRUE(now.sums.loss == outcome.sums.loss || std::isnan(now.sums.loss)) << "another schedule";
  }
  check_sums(p, outcome.sums);
  for (std::size_t r = 0; r < p.losses.size(); ++r)
    worst.see(outcome.losses[r], p.losses[r], p.loss_tolerances[r]);
  for (std::size_t i = 0; i < first.size(); ++i) {
    const double unit =
        kSmall<T> ? std::abs(p.gradients[i]) * (std::is_same_v<T, float16> ? 0x1p-10 : 0x1p-7) + 0x1p-24 : 0;
    worst.see(first[i], p.gradients[i], p.gradient_tolerances[i] + unit);
  }
  ASSERT_LE(worst.share(), 1) << worst.text();

  const Placed<T> both(place, p.cols, p.x);
  set_schedule(1);
  const Outcome in_place = run<T>(p, both.view(), both.view());
  EXPECT_TRUE(same_bits(both.values(), first) || !compares_in_place) << "in place";
  EXPECT_TRUE(same_bits(in_place.losses, outcome.losses) || place.offset != to.offset) << "in place";
  EXPECT_TRUE(in_place.sums.loss == outcome.sums.loss || std::isnan(in_place.sums.loss) || !compares_in_place)
      << "in place";

  // The loss alone; twice adds twice.
  const Outcome loss = run<T>(p, x.view(), {}, /*twice=*/true);
  for (std::size_t r = 0; r < p.losses.size(); ++r)
    worst.see(loss.losses[r], p.losses[r], p.loss_tolerances[r]);
  EXPECT_EQ(loss.sums.correct, 2 * p.correct);
  ASSERT_LE(worst.share(), 1) << worst.text();
}

// Every other long row as on a device without clusters, where it is streamed or split.
const DeviceLimits& limits_for(std::int64_t cols) {
  static const auto devices = devices_to_plan_for();
  return devices[cols % 2 == 0 || devices.size() == 1 ? devices.size() - 1 : 1].limits;
}

template <class T>
void check_all(std::int64_t cols) {
  const Assume assume(limits_for(cols));
  Worst worst;
  const std::int64_t rows = cols > 9000 ? 2 : cols > 2000 ? 3 : cols > 300 ? 7 : 37;
  for (const Options& options :
       {Options{}, Options{.targets = Targets::some_ignored},
        Options{.smoothing = 0.1, .weighted = true, .targets = Targets::some_ignored},
        Options{.weighted = true, .targets = Targets::some_bad}, Options{.smoothing = 0.2},
        Options{.targets = Targets::all_ignored}}) {
    if (cols > 9000 && options.targets != Targets::some_ignored) continue;  // long rows take a while
    const Problem<T> p(rows, cols, options);
    for (const auto& [x, dx] : {std::pair{Place{rows, 0, 0}, Place{rows, 0, 0}},
                                {Place{rows, 3, 1}, Place{rows, 3, 1}},
                                {Place{rows, 0, 1}, Place{rows, 2, 0}}}) {
      if (cols > 9000 && x.offset != cols % 2) continue;
      SCOPED_TRACE(testing::Message()
                   << rows << " x " << cols << ", gap " << x.gap << ", offset " << x.offset << ", smoothing "
                   << options.smoothing << ", weighted " << options.weighted << ", targets "
                   << static_cast<int>(options.targets));
      check(p, x, dx, worst);
      if (testing::Test::HasFailure()) return;
    }
  }
  std::printf("worst error: %.2f of the tolerance\n", worst.share());
}

class CrossEntropyRows : public KernelTest, public testing::WithParamInterface<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Columns, CrossEntropyRows, testing::ValuesIn(kCols));

TEST_P(CrossEntropyRows, OfDoublesMatchTheDefinition) { check_all<double>(GetParam()); }
TEST_P(CrossEntropyRows, OfFloatsMatchTheDefinition) { check_all<float>(GetParam()); }
TEST_P(CrossEntropyRows, OfHalvesMatchTheDefinition) { check_all<float16>(GetParam()); }
TEST_P(CrossEntropyRows, OfBfloat16sMatchTheDefinition) { check_all<bfloat16>(GetParam()); }

class CrossEntropy : public KernelTest {};

TEST_F(CrossEntropy, OfManyBlocksAddsUpAllRows) {
  const Problem<float> p(10000, 10, {.weighted = true, .targets = Targets::some_ignored});
  const Placed<float> x({p.rows, 0, 0}, p.cols, p.x);
  check_sums(p, run<float>(p, x.view(), x.view(), false).sums);
  Worst worst;
  const auto gradients = x.values();
  for (std::size_t i = 0; i < gradients.size(); ++i)
    worst.see(gradients[i], p.gradients[i], p.gradient_tolerances[i]);
  EXPECT_LE(worst.share(), 1) << worst.text();
}

// A block of short rows has up to 128 of them, and all may count alike.
TEST_F(CrossEntropy, CountsRowsThatAreAllAlike) {
  constexpr std::int64_t kRows = 300;
  for (const std::int64_t cols : {1, 4, 10, 33, 100}) {
    SCOPED_TRACE(cols);
    Problem<float> p(kRows, cols, {});
    const auto sums = [&](std::int32_t target) {
      p.targets.assign(kRows, target);
      for (std::int64_t r = 0; r < kRows; ++r) p.x[static_cast<std::size_t>(r * cols)] = 50;
      const Placed<float> x({kRows, 0, 0}, cols, p.x), dx({kRows, 0, 0}, cols);
      return run<float>(p, x.view(), dx.view()).sums;
    };
    const CrossEntropySums hit = sums(0), bad = sums(-1), ignored = sums(kIgnoreIndex);
    EXPECT_EQ(hit.correct, kRows);
    EXPECT_EQ(hit.rows, kRows);
    EXPECT_EQ(hit.finite_rows, kRows);
    EXPECT_EQ(hit.invalid_targets, 0);
    EXPECT_EQ(bad.invalid_targets, kRows);
    EXPECT_EQ(bad.correct, 0);
    EXPECT_EQ(ignored.rows, 0);
    EXPECT_EQ(ignored.correct, 0);
    if (cols > 1) {
      EXPECT_EQ(sums(1).correct, 0);
    }
  }
}

TEST_F(CrossEntropy, WithoutRowsChangesNothing) {
  softmax_cross_entropy<float>({nullptr, 0, 10, 10}, nullptr, {}, nullptr, nullptr, {nullptr, 0, 10, 10},
                               nullptr, {}, nullptr);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST_F(CrossEntropy, OfNanOrInfinityIsNan) {
  for (const double special : {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL})
    for (const std::int64_t cols : {10, 100, 3000, 20000}) {
      Problem<float> p(3, cols, {});
      p.x[static_cast<std::size_t>(cols + cols / 2)] = static_cast<float>(special);
      const Placed<float> x({3, 0, 0}, cols, p.x), dx({3, 0, 0}, cols);
      const Outcome out = run<float>(p, x.view(), dx.view());
      EXPECT_FALSE(std::isnan(out.losses[0]));
      EXPECT_TRUE(std::isnan(out.losses[1]));
      EXPECT_FALSE(std::isnan(out.losses[2]));
      const auto gradients = dx.values();
      for (std::int64_t i = 0; i < 3 * cols; ++i)
        ASSERT_EQ(std::isnan(gradients[static_cast<std::size_t>(i)]), i / cols == 1) << "element " << i;
    }
}

TEST_F(CrossEntropy, OfAMaskedTargetIsInfinite) {
  Problem<float> p(2, 40, {});
  p.x[static_cast<std::size_t>(p.targets[1] + 40)] = -HUGE_VALF;
  const Placed<float> x({2, 0, 0}, 40, p.x), dx({2, 0, 0}, 40);
  const Outcome out = run<float>(p, x.view(), dx.view());
  EXPECT_EQ(out.losses[1], HUGE_VALF);
  for (const float g : dx.values()) EXPECT_TRUE(std::isfinite(g));
}

TEST_F(CrossEntropy, RefusesWhatItCannotDo) {
  const DeviceArray<float> x(40);
  const MatrixView<float> m{x.data(), 4, 10, 10}, other{x.data(), 4, 9, 9};
  const auto call = [&](MatrixView<float> dlogits, float smoothing, Workspace workspace) {
    softmax_cross_entropy<float>(m, nullptr, {.label_smoothing = smoothing}, nullptr, nullptr, dlogits,
                                 nullptr, workspace, nullptr);
  };
  EXPECT_THROW(call(other, 0, {x.data(), 1 << 20}), std::invalid_argument);
  EXPECT_THROW(call(m, 1.5f, {x.data(), 1 << 20}), std::invalid_argument);
  EXPECT_THROW(call(m, 0, {x.data(), 16}), std::invalid_argument);
}

// The blocks of a launch, whatever the layout of the logits, the smoothing and the device.
TEST(CrossEntropyWorkspace, ServesEveryPlan) {
  constexpr std::int64_t kRows = 100000;
  const std::size_t none = cross_entropy_workspace_bytes(0, 1, 4);
  for (const bool clusters : {false, true}) {
    const DeviceLimits device{.multiprocessors = 132, .shared_bytes = 163 << 10, .clusters = clusters};
    assume_device_limits(&device);
    for (const int bytes : {2, 4, 8})
      for (std::int64_t cols = 1; cols < 300000; cols += 1 + cols / 50) {
        std::int64_t most = 0;
        for (const int widest : {bytes, std::max(bytes, 4)})
          for (const int vectors : {4, 8})
            for (const RowAlignment access :
                 {RowAlignment::aligned, RowAlignment::shifted, RowAlignment::scalar})
              for (const bool packed : {false, true})
                most = std::max(most, plan_rows({.cols = cols,
                                                 .element_bytes = widest,
                                                 .input_bytes = bytes,
                                                 .max_vectors = vectors,
                                                 .access = access,
                                                 .packed = packed},
                                                device)
                                          .blocks(kRows));
        const std::size_t found = cross_entropy_workspace_bytes(kRows, cols, bytes) - none;
        const std::size_t needed = static_cast<std::size_t>(most) * 16;  // bytes of a block's loss
        ASSERT_GE(found + kSplitRowWorkspaceBytes, needed) << cols << " columns of " << bytes << " bytes";
        ASSERT_LE(found, 2 * needed) << cols << " columns of " << bytes << " bytes";
      }
  }
  assume_device_limits(nullptr);
}

}  // namespace
}  // namespace softwarp
