#include "host/training/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/model/names.h"

namespace softwarp {

OptimizerSettings optimizer_settings(const TrainingSettings& settings, std::int64_t steps_per_epoch) {
  OptimizerSettings result;
  result.kind = settings.optimizer;
  result.sgd = {.momentum = static_cast<float>(settings.momentum),
                .nesterov = settings.nesterov,
                .weight_decay = static_cast<float>(settings.weight_decay)};
  result.max_norm = settings.max_norm;
  result.adamw.weight_decay = static_cast<float>(settings.weight_decay);
  result.schedule = {
      .kind = settings.schedule,
      .rate = settings.rate,
      .steps = settings.epochs * steps_per_epoch,
      .warmup_steps = std::llround(settings.warmup_epochs * static_cast<double>(steps_per_epoch)),
      .step_every = settings.step_epochs * steps_per_epoch,
      .step_factor = settings.step_factor};
  return result;
}

namespace {

// The double of the digits by which the float was given: 0.2, not 0.20000000298.
double as_given(float value) { return std::stod(fmt::format("{}", value)); }

nlohmann::ordered_json as_given(const UniformInterval& interval) {
  return {as_given(interval.least), as_given(interval.most)};
}

std::string kinds_of(const Augmentation& a) {
  Augmentation elastic;
  elastic.alpha = a.alpha, elastic.sigma = a.sigma;
  if (a == elastic) return a.alpha > 0 ? "elastic" : "none";
  return a.alpha > 0 ? "affine,elastic" : "affine";
}

std::vector<int> classes_of(std::uint64_t bits) {
  std::vector<int> classes;
  for (int label = 0; label < 64; ++label)
    if ((bits >> label & 1) != 0) classes.push_back(label);
  return classes;
}

}  // namespace

nlohmann::ordered_json to_json(const TrainingSettings& s) {
  return {{"hidden", s.hidden},
          {"activation", name_of(s.activation)},
          {"init", name_of(s.initialization)},
          {"input_dropout", as_given(s.dropout.input)},
          {"dropout", as_given(s.dropout.hidden)},
          {"label_smoothing", as_given(s.label_smoothing)},
          {"augment", kinds_of(s.augmentation)},
          {"degrees", as_given(s.augmentation.degrees)},
          {"shear", as_given(s.augmentation.shear)},
          {"scale", as_given(s.augmentation.scale)},
          {"translate", as_given(s.augmentation.translate)},
          {"flip", as_given(s.augmentation.flip)},
          {"half_angles", classes_of(s.augmentation.half)},
          {"alpha", as_given(s.augmentation.alpha)},
          {"sigma", as_given(s.augmentation.sigma)},
          {"optimizer", name_of(s.optimizer)},
          {"lr", s.rate},
          {"momentum", s.momentum},
          {"nesterov", s.nesterov},
          {"weight_decay", s.weight_decay},
          {"schedule", name_of(s.schedule)},
          {"warmup_epochs", s.warmup_epochs},
          {"step_epochs", s.step_epochs},
          {"step_factor", s.step_factor},
          {"max_norm", s.max_norm},
          {"ema_decay", s.ema_decay},
          {"epochs", s.epochs},
          {"batch_size", s.batch_size},
          {"shards", s.shards},
          {"seed", s.seed},
          {"validation", s.validation},
          {"patience", s.patience}};
}

std::map<std::string, std::string> to_flags(const TrainingSettings& settings) {
  std::map<std::string, std::string> flags;
  const nlohmann::ordered_json json = to_json(settings);
  for (const auto& [key, value] : json.items()) {
    std::string flag = "--" + key;
    std::replace(flag.begin(), flag.end(), '_', '-');
    std::string& text = flags[flag];
    if (value.is_string()) {
      text = value.get<std::string>();
    } else if (value.is_array()) {
      for (const auto& element : value) text += (text.empty() ? "" : ",") + element.dump();
      if (text.empty()) text = key == "hidden" ? "0" : "none";
    } else {
      text = value.dump();
    }
  }
  return flags;
}

}  // namespace softwarp
