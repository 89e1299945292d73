#include "core/optimizer.h"
#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

// The formula in float makes of the weight of the only value less than 1 with 0.9928.
constexpr float kDecays[] = {0.1f, 0.5f, 0.9928f, 0.999f, 0.999999f};
// Beside the widths of vectors, of a block, and of what threads share.
constexpr std::int64_t kSizes[] = {0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1023, 1024, 1025, 20'011};

Floats values_at(int step, std::int64_t size) {
  return random_values(size, 300 + static_cast<std::uint32_t>(step));
}

// Averages what values_at() says for the steps 1 to `steps`.
Floats average_of(Backend& backend, std::int64_t size, float decay, int steps) {
  const auto average = upload(backend, Floats(static_cast<std::size_t>(size)));
  for (int step = 1; step <= steps; ++step) {
    const auto values = upload(backend, values_at(step, size));
    const auto state = upload(backend, std::vector{TrainingState{.step = step}});
    backend.average_parameters(values.data(), average.data(), size, decay, state.data());
  }
  return download(backend, average.data(), size);
}

TEST(AverageParameters, OfOneStepAreThatStepsToTheBit) {
  for (const auto& backend : make_backends())
    for (const std::int64_t size : kSizes)
      for (const float decay : kDecays)
        EXPECT_EQ(average_of(*backend, size, decay, 1), values_at(1, size))
            << backend->name() << ", " << size << ", decay " << decay;
}

// The weighted mean of all steps' values, each of size 1 at most. A step rounds the average once, and the
// change, of size 2 at most, and its weight six times.
TEST(AverageParameters, MatchTheDefinition) {
  constexpr int kSteps = 40;
  for (const std::int64_t size : kSizes)
    for (const double decay : kDecays) {
      Doubles expected(static_cast<std::size_t>(size));
      double all = 0, tolerance = 0;
      for (int step = 1; step <= kSteps; ++step) {
        const double weight = std::pow(decay, kSteps - step);
        const Floats values = values_at(step, size);
        for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += weight * values[i];
        all += weight;
        tolerance += kRounding * (1 + 6 * 2 * (1 - decay) / (1 - std::pow(decay, step)));
      }
      for (double& value : expected) value /= all;
      for (const auto& backend : make_backends())
        EXPECT_TRUE(
            all_near(average_of(*backend, size, static_cast<float>(decay), kSteps), expected, tolerance))
            << backend->name() << ", " << size << ", decay " << decay;
    }
}

TEST(AverageParameters, OfAConstantAreTheConstant) {
  const Floats constant = random_values(100, 1);
  for (const auto& backend : make_backends())
    for (const float decay : kDecays) {
      const auto values = upload(*backend, constant), average = upload(*backend, Floats(100));
      for (const std::int64_t step : {1, 2, 3, 4, 5, 100, 10'000, 10'000'000}) {
        const auto state = upload(*backend, std::vector{TrainingState{.step = step}});
        backend->average_parameters(values.data(), average.data(), 100, decay, state.data());
        EXPECT_EQ(download(*backend, average.data(), 100), constant) << step;
      }
      EXPECT_EQ(download(*backend, values.data(), 100), constant);
    }
}

TEST(AverageParameters, AreTheSameOnAnyNumberOfThreads) {
  const Floats expected = average_of(*make_cpu_backend(1), 40'003, 0.9f, 5);
  for (const int threads : {2, 3})
    EXPECT_EQ(average_of(*make_cpu_backend(threads), 40'003, 0.9f, 5), expected);
}

// GPUs compute it in float.
TEST(AverageParameters, WeighTheNewestAsTheDefinitionSays) {
  for (const float decay : kDecays)
    for (const std::int64_t t : {1, 2, 3, 10, 1000, 1'000'000, 1'000'000'000}) {
      // 1 / (1 + decay + decay^2 + ...), which cancels nothing.
      double sum = 0, power = 1;
      for (std::int64_t i = 0; i < t && power > 1e-20; ++i) sum += power, power *= decay;
      EXPECT_NEAR(weight_of_newest(decay, t), 1 / sum, 2 * kRounding / sum) << decay << ", " << t;
      EXPECT_NEAR(weight_of_newest<float>(decay, t), 1 / sum, 6 * kRounding / sum) << decay << ", " << t;
    }
}

}  // namespace
}  // namespace softwarp
