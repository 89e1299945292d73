// A run on the CPU and one on a GPU are the same run: their losses agree step by step.

#include <gtest/gtest.h>
#include <softwarp/backend.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "tests/backends.h"
#include "tests/cuda/training_run.h"

namespace softwarp {
namespace {

// Sums of floats in another order, and 200 steps that build on one another: the worst seen is 1e-4.
constexpr double kLossBound = 5e-4;
constexpr std::int64_t kSteps = 200;

struct Case {
  std::string name;
  std::vector<std::int64_t> hidden;
  Activation activation;
  OptimizerKind optimizer;
  DropoutRates dropout;
};

class CudaAgreement : public DeviceTest, public testing::WithParamInterface<Case> {
 protected:
  static TrainingSettings settings() {
    TrainingSettings settings;
    settings.hidden = GetParam().hidden;
    settings.activation = GetParam().activation;
    settings.optimizer = GetParam().optimizer;
    settings.dropout = GetParam().dropout;
    settings.rate = GetParam().optimizer == OptimizerKind::sgd ? 0.1 : 1e-3;
    settings.momentum = GetParam().optimizer == OptimizerKind::sgd ? 0.9 : 0;
    settings.batch_size = 32;
    settings.epochs = 2;
    return settings;
  }
};

double worst_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

// 3210 images are 100 batches of 32 and one of 10.
TEST_P(CudaAgreement, WithTheCpuStepByStep) {
  const TrainingRun on_cpu = run_steps(*make_cpu_backend(1), settings(), 3210, kSteps);
  TrainingRun on_cuda;
  {
    const auto backend = make_cuda_backend();
    on_cuda = run_steps(*backend, settings(), 3210, kSteps);
  }
  ASSERT_EQ(on_cpu.losses.size(), static_cast<std::size_t>(kSteps));
  ASSERT_EQ(on_cuda.losses.size(), static_cast<std::size_t>(kSteps));
  EXPECT_GT(on_cpu.losses.front(), 2 * on_cpu.losses.back()) << "nothing was learnt";
  const double worst = worst_difference(on_cpu.losses, on_cuda.losses);
  EXPECT_LE(worst, kLossBound);
  std::printf("losses differ by at most %.1e\n", worst);
}

TEST_P(CudaAgreement, WithItself) {
  const auto backend = make_cuda_backend();
  const TrainingRun first = run_steps(*backend, settings(), 300, 10);
  const TrainingRun second = run_steps(*backend, settings(), 300, 10);
  EXPECT_EQ(first.losses, second.losses);
  EXPECT_EQ(first.parameters, second.parameters);
}

// Every two of network, activation, optimizer and dropout in each of their combinations.
std::vector<Case> cases() {
  const std::vector<std::int64_t> two{128}, three{64, 32};
  const DropoutRates none{}, some{.input = 0.1f, .hidden = 0.2f};
  using enum Activation;
  using enum OptimizerKind;
  return {{"TwoLayersReluSgd", two, relu, sgd, none},
          {"TwoLayersReluAdamwDropout", two, relu, adamw, some},
          {"TwoLayersGeluSgdDropout", two, gelu, sgd, some},
          {"TwoLayersGeluAdamw", two, gelu, adamw, none},
          {"ThreeLayersReluSgdDropout", three, relu, sgd, some},
          {"ThreeLayersReluAdamw", three, relu, adamw, none},
          {"ThreeLayersGeluSgd", three, gelu, sgd, none},
          {"ThreeLayersGeluAdamwDropout", three, gelu, adamw, some}};
}

INSTANTIATE_TEST_SUITE_P(Networks, CudaAgreement, testing::ValuesIn(cases()),
                         [](const auto& each) { return each.param.name; });

class CudaOptionsAgree : public DeviceTest {
 protected:
  static std::vector<double> losses(const CudaOptions& options) {
    TrainingSettings settings;
    settings.hidden = {48, 24};
    settings.batch_size = 32;
    settings.dropout = {};
    settings.epochs = 1;
    const auto backend = make_cuda_backend(options);
    return run_steps(*backend, settings, 300, 10).losses;
  }
};

TEST_F(CudaOptionsAgree, TuningChangesNoLoss) {
  EXPECT_LE(worst_difference(losses({.tune = true}), losses({})), 1e-5);
}

TEST_F(CudaOptionsAgree, PrecisionRoundsAsItSays) {
  const auto exact = losses({});
  for (const auto& [name, precision] : kCudaPrecisions) {
    SCOPED_TRACE(name);
    const double worst = worst_difference(losses({.precision = precision}), exact);
    EXPECT_LE(worst, 0.05);
    EXPECT_EQ(worst > 0, precision != CudaPrecision::fp32);
  }
}

}  // namespace
}  // namespace softwarp
