#pragma once

// Real MNIST, trained for some steps on a backend, and what is left of it.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "host/training/trainer.h"

namespace softwarp {

inline const Dataset& training_images() {
  static const Dataset images = load_data("mnist").train;
  return images;
}

struct TrainingRun {
  std::vector<double> losses;  // of each step
  std::vector<float> parameters;
};

// `count` images in batches as the settings have them, for `steps` steps. before_step(i) and the wait that
// reading losses takes surround each step, if wanted.
class StepByStep {
 public:
  StepByStep(Backend& backend, const TrainingSettings& settings, std::int64_t count)
      : data_(backend, head(training_images(), count)),
        trainer_(backend, settings,
                 {.inputs = 784, .hidden = settings.hidden, .classes = 10, .activation = settings.activation},
                 data_) {}

  Trainer& trainer() { return trainer_; }

  TrainingRun run(std::int64_t steps) {
    TrainingRun result;
    while (trainer_.steps() < steps) {
      double sum = 0;
      trainer_.run_epoch([&] {
        const Score score = trainer_.running_score();
        const double now = score.loss * static_cast<double>(score.images);
        const auto batch = static_cast<double>(score.images - images_);
        result.losses.push_back((now - sum) / batch);
        sum = now;
        images_ = score.images;
        return trainer_.steps() < steps;
      });
      images_ = 0;
    }
    result.parameters = trainer_.mlp().values();
    return result;
  }

 private:
  ResidentDataset data_;
  Trainer trainer_;
  std::int64_t images_ = 0;
};

inline TrainingRun run_steps(Backend& backend, const TrainingSettings& settings, std::int64_t count,
                             std::int64_t steps) {
  return StepByStep(backend, settings, count).run(steps);
}

}  // namespace softwarp
