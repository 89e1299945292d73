#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/backend/backend.h"
#include "host/data/dataset.h"
#include "host/training/checkpoint.h"
#include "host/training/classification.h"
#include "host/training/evaluation.h"
#include "host/training/settings.h"

namespace softwarp {

// The progress of a training run, between two steps.
struct Progress {
  std::int64_t epoch = 0;  // from 1
  std::int64_t epochs = 0;
  std::int64_t samples = 0;  // of this epoch
  std::int64_t count = 0;    // samples of a whole epoch
  double epoch_seconds = 0;
  double seconds = 0;
  std::function<Score()> score;  // of the epoch so far; waits for the device
};

// The plan of a training run, before it starts.
struct TrainingStart {
  MlpShape shape;
  std::int64_t parameters = 0;
  std::int64_t train_images = 0;
  std::int64_t validation_images = 0;  // held out of the training images
  std::int64_t batch_size = 0;
  std::int64_t steps_per_epoch = 0;
  std::int64_t epochs_before = 0;  // done by the training that this one resumes
  std::int64_t memory = 0;         // bytes on the device
};

// Receives the events of a training run.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void on_start(const TrainingStart&) {}
  virtual void on_step(const Progress&) {}
  virtual void on_epoch(const EpochRecord&) {}
  // Asked after each step; the training then ends as if this had been its last.
  virtual bool should_stop() { return false; }
};

struct TrainingResult {
  Model model;  // the last epoch's, or with a validation part the one of lowest validation loss
  std::vector<EpochRecord> history;
  Score test;                     // of that model, measured once, at the end
  Classification classification;  // of the same images, in the same pass
  double seconds = 0;
  double samples_per_second = 0;
  std::int64_t parameters = 0;
  bool stopped = false;  // before the last epoch's end
};

struct TrainingControl {
  // Called with a checkpoint after every `checkpoint_every`th epoch and the last; 0: never. An epoch that was
  // ended early has none.
  std::int64_t checkpoint_every = 0;
  std::function<void(const Checkpoint&)> keep = {};
  const Checkpoint* resume = nullptr;  // go on from here, to the same bits as if there had been no pause
  bool check_every_step = false;       // for numbers that go wrong: Trainer
};

// Trains a network. Throws Error if its numbers go wrong, and if the checkpoint is one of another network or
// optimizer; what the checkpoint says of settings and data is the caller's to compare.
TrainingResult train(Backend& backend, const TrainingSettings& settings, const DataPair& data,
                     TrainingObserver& observer, const TrainingControl& control = {});

}  // namespace softwarp
