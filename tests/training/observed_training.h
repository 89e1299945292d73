#pragma once

#include <softwarp/train.h>

#include <cstdint>
#include <vector>

#include "tests/training/reference_training.h"

namespace softwarp {

// All that a training tells, and its checkpoints.
struct ObservedTraining : TrainingObserver {
  ObservedTraining(Backend& backend, const TrainingSettings& settings,
                   TrainingControl control = {.checkpoint_every = 1}, std::int64_t stop_at = -1)
      : stop_after(stop_at) {
    control.save_checkpoint = [this](const Checkpoint& checkpoint) { kept.push_back(checkpoint); };
    result = train(backend, settings, small_data(), *this, control);
  }

  void on_start(const TrainingStart& told) override { start = told; }
  void on_step(const Progress& told) override {
    steps.push_back(told);
    scores.push_back(told.score());
  }
  void on_epoch(const EpochRecord& told) override { epochs.push_back(told); }
  bool should_stop() override { return std::ssize(steps) == stop_after; }

  std::int64_t stop_after;
  TrainingStart start;
  std::vector<Progress> steps;
  std::vector<Score> scores;
  std::vector<EpochRecord> epochs;
  std::vector<Checkpoint> kept;
  TrainingResult result;
};

}  // namespace softwarp
