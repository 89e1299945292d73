#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/backend/backend.h"
#include "host/data/dataset.h"
#include "host/model/checkpoint.h"
#include "host/training/evaluation.h"
#include "host/training/settings.h"

namespace softwarp {

// A row of metrics.csv.
struct EpochRecord {
  std::int64_t epoch = 0;         // from 1
  std::int64_t steps = 0;         // since training began
  double learning_rate = 0;       // of the epoch's last step
  Score train;                    // running: each batch before its step, with dropout
  Score validation;               // after the epoch; no images: none were held out
  double seconds = 0;             // since training began
  double samples_per_second = 0;  // of this epoch, validation not counted
};

// Where a training stands, between two steps.
struct Progress {
  std::int64_t epoch = 0;  // from 1
  std::int64_t epochs = 0;
  std::int64_t samples = 0;  // of this epoch
  std::int64_t count = 0;    // samples of a whole epoch
  double epoch_seconds = 0;
  double seconds = 0;
  std::function<Score()> score;  // of the epoch so far; waits for the device
};

// What a training tells while it runs.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void on_step(const Progress&) {}
  virtual void on_epoch(const EpochRecord&) {}
  // Asked after each step; the training then ends as if this had been its last.
  virtual bool wants_stop() { return false; }
};

struct TrainingResult {
  Model model;  // the last epoch's, or with a validation part the one of lowest validation loss
  std::vector<EpochRecord> history;
  Score test;  // of that model, measured once, at the end
  double seconds = 0;
  double samples_per_second = 0;
  std::int64_t parameters = 0;
  bool stopped = false;  // before the last epoch's end
};

// Trains a new network. Throws Error if the loss ceases to be finite.
TrainingResult train(Backend& backend, const TrainingSettings& settings, const DataPair& data,
                     TrainingObserver& observer);

}  // namespace softwarp
