// Learning rates against values worked out by hand from the formulas of <softwarp/optimizer.h>.

#include <numbers>

#include "core/optimizer.h"
#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

// Computed in double and rounded to a float once.
void expect_rate(const Schedule& schedule, std::int64_t step, double expected) {
  EXPECT_NEAR(learning_rate(schedule, step), expected, 2 * kRounding * expected + 1e-18) << "step " << step;
}

TEST(LearningRate, IsConstant) {
  const Schedule schedule{.kind = ScheduleKind::constant, .rate = 0.3, .steps = 100};
  for (const std::int64_t step : {0, 1, 50, 99, 100, 1'000'000}) expect_rate(schedule, step, 0.3);
}

TEST(LearningRate, WarmsUpLinearlyAndReachesItsPeakOnce) {
  for (const ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::cosine, ScheduleKind::step}) {
    const Schedule schedule{.kind = kind, .rate = 0.3, .steps = 100, .warmup_steps = 10, .step_every = 1000};
    expect_rate(schedule, 0, 0.03);
    expect_rate(schedule, 4, 0.15);
    expect_rate(schedule, 9, 0.3);
    expect_rate(schedule, 10, 0.3);
  }
  expect_rate({.rate = 0.3, .warmup_steps = 1}, 0, 0.3);
}

TEST(LearningRate, FollowsACosine) {
  const Schedule schedule{.kind = ScheduleKind::cosine, .rate = 0.3, .steps = 120};
  expect_rate(schedule, 0, 0.3);
  expect_rate(schedule, 40, 0.3 * 0.75);  // cos(pi / 3) = 1/2
  expect_rate(schedule, 60, 0.15);
  expect_rate(schedule, 80, 0.3 * 0.25);
  expect_rate(schedule, 119, 0.15 * (1 + std::cos(std::numbers::pi * 119 / 120)));
  for (const std::int64_t step : {120, 121, 1000}) expect_rate(schedule, step, 0);
}

TEST(LearningRate, FollowsACosineOverWhatTheWarmUpLeaves) {
  const Schedule schedule{.kind = ScheduleKind::cosine, .rate = 0.3, .steps = 100, .warmup_steps = 20};
  expect_rate(schedule, 20, 0.3);
  expect_rate(schedule, 60, 0.15);
  expect_rate(schedule, 100, 0);
}

TEST(LearningRate, FollowsOneCycle) {
  // The peak is at 0.3 * 110 - 1 = 32; the first half of either cosine is passed at its middle.
  const Schedule schedule{.kind = ScheduleKind::one_cycle, .rate = 0.5, .steps = 110};
  expect_rate(schedule, 0, 0.5 / 25);
  expect_rate(schedule, 16, (0.5 / 25 + 0.5) / 2);
  expect_rate(schedule, 32, 0.5);
  expect_rate(schedule, 33, 0.5 / 25e4 + (0.5 - 0.5 / 25e4) / 2 * (1 + std::cos(std::numbers::pi / 77)));
  expect_rate(schedule, 109, 0.5 / 25e4);
  expect_rate(schedule, 110, 0.5 / 25e4);
  expect_rate(schedule, 5000, 0.5 / 25e4);
}

TEST(LearningRate, OfOneCycleRisesAndThenFalls) {
  const Schedule schedule{.kind = ScheduleKind::one_cycle, .rate = 0.5, .steps = 1000};
  for (std::int64_t step = 1; step < 1000; ++step) {
    const bool rises = step <= 299;  // 0.3 * 1000 - 1
    EXPECT_EQ(learning_rate(schedule, step) > learning_rate(schedule, step - 1), rises) << step;
  }
}

TEST(LearningRate, OfOneCycleIgnoresTheWarmUp) {
  const Schedule schedule{.kind = ScheduleKind::one_cycle, .rate = 0.5, .steps = 110, .warmup_steps = 50};
  expect_rate(schedule, 0, 0.5 / 25);
}

TEST(LearningRate, DropsInSteps) {
  const Schedule schedule{
      .kind = ScheduleKind::step, .rate = 0.3, .steps = 100, .step_every = 30, .step_factor = 0.1};
  for (const auto& [step, rate] :
       {std::pair{0, 0.3}, {29, 0.3}, {30, 0.03}, {59, 0.03}, {60, 0.003}, {99, 0.0003}})
    expect_rate(schedule, step, rate);
  const Schedule warmed{
      .kind = ScheduleKind::step, .rate = 0.3, .warmup_steps = 5, .step_every = 30, .step_factor = 0.5};
  expect_rate(warmed, 34, 0.3);
  expect_rate(warmed, 35, 0.15);
}

TEST(LearningRate, StaysWithinBoundsForTheShortestTrainings) {
  for (const ScheduleKind kind :
       {ScheduleKind::constant, ScheduleKind::cosine, ScheduleKind::one_cycle, ScheduleKind::step})
    for (std::int64_t steps = 1; steps <= 12; ++steps)
      for (std::int64_t warmup = 0; warmup <= steps; ++warmup)
        for (std::int64_t step = 0; step <= steps + 1; ++step) {
          const float rate =
              learning_rate({.kind = kind, .rate = 0.5, .steps = steps, .warmup_steps = warmup}, step);
          EXPECT_TRUE(rate >= 0 && rate <= 0.5f)
              << rate << " at " << step << " of " << steps << ", kind " << static_cast<int>(kind);
        }
}

// The device takes its rate from its own count of steps: with a gradient of 1, plain SGD goes down by the
// rate.
TEST(LearningRate, IsWhatEveryBackendTakes) {
  constexpr std::int64_t kSteps = 25;
  for (const auto& backend : make_backends())
    for (const ScheduleKind kind :
         {ScheduleKind::constant, ScheduleKind::cosine, ScheduleKind::one_cycle, ScheduleKind::step}) {
      SCOPED_TRACE(backend->name() + " kind " + std::to_string(static_cast<int>(kind)));
      const Schedule schedule{
          .kind = kind, .rate = 0.5, .steps = kSteps, .warmup_steps = 4, .step_every = 5, .step_factor = 0.5};
      const auto value = backend->make_array<float>(1);
      const auto gradient = upload(*backend, Floats{1});
      const auto state = upload(*backend, std::vector{TrainingState{}});
      const ParameterBuffers buffers{.values = value.data(), .gradients = gradient.data(), .size = 1};
      double expected = 0;
      for (std::int64_t step = 0; step < kSteps; ++step) {
        backend->sgd_step(buffers, {}, schedule, state.data(), 1);
        expected -= learning_rate(schedule, step);
        // Ten-odd roundings of a number below 16; a device's cosine may differ in the last place.
        ASSERT_NEAR(backend->download(value.data()), expected, 16 * kRounding * static_cast<double>(step + 1))
            << step;
      }
    }
}

}  // namespace
}  // namespace softwarp
