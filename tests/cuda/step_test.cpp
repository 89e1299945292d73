// The simulator's counters bound what a training step asks of the device and of the host.

#include <gtest/gtest.h>
#include <softwarp/backend.h>
#include <softwarp/error.h>

#include "simulator/testing.h"
#include "tests/cuda/training_run.h"

namespace softwarp {
namespace {

using simulator::HostCounters;

struct StepCost {
  double kernels, products, kernel_bytes;
  double graph_launches, calls, allocations, copies, synchronizations;
  ParameterLayout layout{MlpShape{.inputs = 784, .hidden = {}, .classes = 10}};
};

TrainingSettings settings_for(std::vector<std::int64_t> hidden, std::int64_t batch) {
  TrainingSettings settings;
  settings.hidden = std::move(hidden);
  settings.batch_size = batch;
  settings.dropout = {};
  return settings;
}

class CudaStep : public simulator::SimulatorTest {
 protected:
  // The mean of steps 3 to 12.
  static StepCost cost_of(const TrainingSettings& settings) {
    constexpr std::int64_t kFirst = 3, kLast = 13;
    const auto backend = make_cuda_backend();
    StepByStep run(*backend, settings, settings.batch_size * 20);
    Trainer& trainer = run.trainer();
    HostCounters host;
    trainer.run_epoch([&] {
      if (trainer.steps() == kFirst) {
        backend->wait();
        simulator::reset_counters();
      }
      if (trainer.steps() < kLast) return true;
      host = simulator::host_counters();
      backend->wait();
      return false;
    });
    return mean(kLast - kFirst, host, trainer);
  }

 private:
  static StepCost mean(std::int64_t steps, const HostCounters& host, Trainer& trainer) {
    const auto each = [steps](std::int64_t n) { return static_cast<double>(n) / static_cast<double>(steps); };
    const auto all = simulator::counters();
    return {.kernels = each(all.launches),
            .products = each(simulator::host_counters().products),
            .kernel_bytes = each(all.load_bytes + all.store_bytes),
            .graph_launches = each(host.graph_launches),
            .calls = each(host.calls),
            .allocations = each(host.allocations),
            .copies = each(host.copies),
            .synchronizations = each(host.synchronizations),
            .layout = trainer.mlp().layout()};
  }
};

TEST_F(CudaStep, IsEightLaunchesForTwoLayersAndElevenForThree) {
  for (const Activation activation : {Activation::relu, Activation::gelu})
    for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw}) {
      TrainingSettings settings = settings_for({128}, 128);
      settings.activation = activation;
      settings.optimizer = optimizer;
      const StepCost two = cost_of(settings);
      EXPECT_EQ(two.kernels, 3);
      EXPECT_EQ(two.products, 5);
      settings.hidden = {64, 32};
      const StepCost three = cost_of(settings);
      EXPECT_EQ(three.kernels, 3);
      EXPECT_EQ(three.products, 8);
    }
}

TEST_F(CudaStep, IsOneCallOfTheHost) {
  const StepCost cost = cost_of(settings_for({128}, 128));
  EXPECT_EQ(cost.graph_launches, 1);
  EXPECT_EQ(cost.calls, 1);
  EXPECT_EQ(cost.allocations, 0);
  EXPECT_EQ(cost.copies, 0);
  EXPECT_EQ(cost.synchronizations, 0);
}

// The last batch has 45 images, whose shards are of 5 and 6.
TEST_F(CudaStep, InShardsIsOneCallOfTheHostToo) {
  TrainingSettings settings = settings_for({16}, 64);
  settings.dropout = {.input = 0.1f, .hidden = 0.2f};
  settings.shards = 8;
  const StepCost cost = cost_of(settings);
  EXPECT_EQ(cost.graph_launches, 1);
  EXPECT_EQ(cost.calls, 1);
  EXPECT_EQ(cost.allocations, 0);
  EXPECT_EQ(cost.synchronizations, 0);
  EXPECT_EQ(cost.products, 8 * 5);
  EXPECT_EQ(cost.kernels, 8 * (2 + 2 * 2) + 7 + 7 + 1) << "of a shard, sums, places, optimizer";

  const auto backend = make_cuda_backend();
  StepByStep run(*backend, settings, 2 * 64 + 45);
  simulator::reset_counters();
  std::int64_t waits = 0;
  run.trainer().run_epoch([&] {
    waits = simulator::host_counters().synchronizations;
    return true;
  });
  EXPECT_EQ(waits, 2) << "for the state and the sums, at the epoch's start";
}

// The host looks at the loss every 100 steps by two small copies, which it does not wait for.
TEST_F(CudaStep, IsLookedAtWithoutAWait) {
  const auto backend = make_cuda_backend();
  StepByStep run(*backend, settings_for({}, 4), 2000);
  Trainer& trainer = run.trainer();
  HostCounters host;
  std::int64_t waits = 0;  // of the test, which lets the device catch up
  trainer.run_epoch([&] {
    if (trainer.steps() == 1) simulator::reset_counters();
    if (trainer.steps() % 100 == 50) waits += 1, backend->wait();
    host = simulator::host_counters();
    return trainer.steps() < 350;
  });
  EXPECT_EQ(host.synchronizations, waits);
  EXPECT_EQ(host.copies, 2 * 3) << "after 100, 200 and 300 steps";
}

TEST_F(CudaStep, ThatDivergesIsFoundOnceTheDeviceHasRunIt) {
  TrainingSettings settings = settings_for({}, 4);
  settings.optimizer = OptimizerKind::sgd;
  settings.schedule = ScheduleKind::constant;
  settings.rate = 1e30;
  const auto backend = make_cuda_backend();
  StepByStep run(*backend, settings, 2000);
  Trainer& trainer = run.trainer();
  try {
    trainer.run_epoch([&] {
      if (trainer.steps() == 150) backend->wait();
      return true;
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("training diverged in step 100: "), 0u) << error.what();
  }
  EXPECT_EQ(trainer.steps(), 200) << "the copy of step 100 has arrived by the next look";
}

// A pixel is a byte in and a float out, with 9 bytes of index, label and target an image; a logit is read and
// its gradient written, with the target and its logit a row; an optimizer moves its buffers' floats in and
// out.
TEST_F(CudaStep, MovesNoMoreBytesThanItMust) {
  for (const std::int64_t batch : {32, 128, 256})
    for (const bool adamw : {false, true}) {
      TrainingSettings settings = settings_for({128}, batch);
      settings.optimizer = adamw ? OptimizerKind::adamw : OptimizerKind::sgd;
      const StepCost cost = cost_of(settings);
      const double images = static_cast<double>(batch);
      const double floor = images * (784 * 5 + 9) + images * (10 * 8 + 8) +
                           static_cast<double>(cost.layout.parameters) * 4 * (adamw ? 7 : 3);
      EXPECT_GE(cost.kernel_bytes, floor) << batch;
      EXPECT_LE(cost.kernel_bytes, 1.05 * floor) << batch;
      RecordProperty("bytes_over_floor", std::to_string(cost.kernel_bytes / floor));
    }
}

// 300 images in batches of 128: two, and one of 44.
TEST_F(CudaStep, IsAGraphForEachOfTheTwoBatchSizes) {
  const auto backend = make_cuda_backend();
  StepByStep run(*backend, settings_for({32}, 128), 300);
  EXPECT_EQ(simulator::calls("cudaGraphInstantiate"), 2);
  run.run(6);
  EXPECT_EQ(simulator::calls("cudaGraphInstantiate"), 2);
  EXPECT_EQ(simulator::calls("cudaGraphLaunch"), 6);
}

TEST_F(CudaStep, GivesTheSameBitsInEveryOrderOfThreads) {
  TrainingSettings settings = settings_for({32, 16}, 64);
  settings.dropout = {.input = 0.1f, .hidden = 0.2f};
  std::vector<float> first;
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    simulator::set_seed(seed);
    const auto backend = make_cuda_backend();
    const auto parameters = run_steps(*backend, settings, 300, 10).parameters;
    if (first.empty()) first = parameters;
    EXPECT_EQ(parameters, first) << "seed " << seed;
  }
}

}  // namespace
}  // namespace softwarp
