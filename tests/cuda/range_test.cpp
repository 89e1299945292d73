// The ranges that a profiler shows of a training run.

#include <gtest/gtest.h>
#include <softwarp/backend.h>
#include <softwarp/error.h>
#include <softwarp/train.h>

#include <limits>

#include "simulator/testing.h"
#include "tests/cuda/training_run.h"

namespace softwarp {
namespace {

using simulator::Ranges;
using Names = std::vector<std::string>;

class CudaRanges : public simulator::SimulatorTest {
 protected:
  // 300 images in batches of 128, so that an epoch has three steps; 60 are held out.
  static TrainingSettings settings() {
    TrainingSettings settings;
    settings.hidden = {16};
    settings.batch_size = 80;
    settings.epochs = 2;
    settings.validation = 0.2;
    return settings;
  }
  static DataPair data() { return {head(training_images(), 300), head(training_images(), 50)}; }
};

TEST_F(CudaRanges, NameEpochsStepsAndEvaluations) {
  const auto backend = make_cuda_backend();
  TrainingObserver silent;
  train(*backend, settings(), data(), silent);
  const Names epoch{"softwarp: epoch", "softwarp: epoch/step", "softwarp: epoch/step", "softwarp: epoch/step",
                    "softwarp: evaluation"};
  Names expected = epoch;
  expected.insert(expected.end(), epoch.begin(), epoch.end());
  expected.emplace_back("softwarp: evaluation");  // of the test set
  const Ranges found = simulator::ranges();
  EXPECT_EQ(found.begun, expected);
  EXPECT_EQ(found.open, 0u);
}

TEST_F(CudaRanges, EndWhereAStepFails) {
  const auto backend = make_cuda_backend();
  TrainingSettings diverging = settings();
  diverging.optimizer = OptimizerKind::sgd;
  diverging.rate = 1e30;
  TrainingObserver silent;
  EXPECT_THROW(train(*backend, diverging, data(), silent, {.check_every_step = true}), Error);
  const Ranges found = simulator::ranges();
  ASSERT_FALSE(found.begun.empty());
  EXPECT_EQ(found.begun.back(), "softwarp: epoch/step");
  EXPECT_EQ(found.open, 0u);
}

}  // namespace
}  // namespace softwarp
