#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "host/model/mlp.h"
#include "host/model/optimizer.h"
#include "host/model/pass.h"

namespace softwarp {

// Everything that determines a training's result, given its data and its device. The defaults reach 98.6 %
// on MNIST.
struct TrainingSettings {
  std::vector<std::int64_t> hidden = {512, 256};
  Activation activation = Activation::relu;
  Initialization initialization = Initialization::kaiming;
  DropoutRates dropout = {.input = 0.1f, .hidden = 0.2f};
  float label_smoothing = 0;

  OptimizerKind optimizer = OptimizerKind::adamw;
  double rate = 3e-3;
  double momentum = 0;      // sgd
  bool nesterov = false;    // sgd
  double weight_decay = 0;  // sgd: L2; adamw: decoupled
  ScheduleKind schedule = ScheduleKind::one_cycle;
  double warmup_epochs = 0;
  std::int64_t step_epochs = 10;  // schedule step: multiply the rate by step_factor every so many epochs
  double step_factor = 0.1;

  std::int64_t epochs = 12;
  std::int64_t batch_size = 256;  // 0: all images in one batch
  std::uint64_t seed = 1;
  double validation = 0;      // the share of the training images held out
  std::int64_t patience = 0;  // stop after so many epochs without a better validation loss; 0: never
};

// With the schedule counted in steps of this many an epoch.
[[nodiscard]] OptimizerSettings optimizer_settings(const TrainingSettings& settings,
                                                   std::int64_t steps_per_epoch);

// For summary.json: names as the flags have them.
[[nodiscard]] nlohmann::ordered_json to_json(const TrainingSettings& settings);
// The same as command-line flags and their values: "--lr", "0.003".
[[nodiscard]] std::map<std::string, std::string> to_flags(const TrainingSettings& settings);

}  // namespace softwarp
