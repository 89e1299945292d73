#include "host/c/training_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <span>
#include <string_view>

#include "host/c/answer.h"
#include "host/data/framing.h"
#include "host/model/names.h"

namespace softwarp::c {
namespace {

constexpr std::int64_t kMostCounted = std::int64_t{1} << 30;
constexpr std::int64_t kMostClasses = 256;  // a label is a byte on the device

template <class E>
E choice(const char* name, const char* text) {
  std::string known;
  for (const auto& [each, value] : names_of(E{})) {
    if (text != nullptr && each == text) return value;
    known += fmt::format("{}{}", known.empty() ? "" : " or ", each);
  }
  throw std::invalid_argument(
      fmt::format("expected {} {}, found {}", name, known, text == nullptr ? "NULL" : text));
}

void demand_count(const char* name, std::int64_t value, std::int64_t least, std::int64_t most) {
  demand(value >= least && value <= most,
         fmt::format("{} from {} to {}, found {}", name, least, most, value));
}

std::vector<std::int64_t> hidden_of(const softwarp_training_options& o) {
  demand_count("hidden_layers", o.hidden_layers, 0, 998);
  if (o.hidden_layers > 0) demand_memory("hidden", o.hidden, alignof(std::int64_t));
  std::vector<std::int64_t> hidden(o.hidden, o.hidden + o.hidden_layers);
  for (const std::int64_t width : hidden) demand_count("hidden widths", width, 1, 1 << 20);
  return hidden;
}

// As the flags of `softwarp train` have them.
void demand_ranges(const softwarp_training_options& o) {
  demand_in("input_dropout", o.input_dropout, 0, 0.99);
  demand_in("dropout", o.dropout, 0, 0.99);
  demand_in("label_smoothing", o.label_smoothing, 0, 1);
  demand_in("learning_rate", o.learning_rate, 1e-12, 1e12);
  demand_in("momentum", o.momentum, 0, 0.9999);
  demand_in("weight_decay", o.weight_decay, 0, 1e6);
  demand_in("warmup_epochs", o.warmup_epochs, 0, 1e6);
  demand_count("step_epochs", o.step_epochs, 1, kMostCounted);
  demand_in("step_factor", o.step_factor, 1e-6, 1);
  if (o.max_norm != 0) demand_in("max_norm 0 or", o.max_norm, 1e-6, 1e6);
  if (o.ema_decay != 0) demand_in("ema_decay 0 or", o.ema_decay, 1e-6, 0.999999);
  demand_count("epochs", o.epochs, 1, kMostCounted);
  demand_count("batch_size", o.batch_size, 0, kMostCounted);
  demand_in("validation", o.validation, 0, 0.99);
  demand_count("patience", o.patience, 0, kMostCounted);
  demand(o.momentum == 0 || choice<OptimizerKind>("optimizer", o.optimizer) == OptimizerKind::sgd,
         "momentum with optimizer sgd, found adamw, which has its own");
  demand(o.nesterov == 0 || o.momentum > 0, "nesterov with momentum above 0, found 0");
  demand(o.patience == 0 || o.validation > 0, "patience with validation above 0, found 0");
}

}  // namespace

void demand_in(const std::string& name, double value, double least, double most) {
  demand(value >= least && value <= most,
         fmt::format("{} from {} to {}, found {}", name, least, most, value));
}

softwarp_training_options default_options() {
  static const TrainingSettings s;
  return {.hidden = s.hidden.data(),
          .hidden_layers = std::ssize(s.hidden),
          .activation = name_of(s.activation).data(),
          .initialization = name_of(s.initialization).data(),
          .input_dropout = s.dropout.input,
          .dropout = s.dropout.hidden,
          .label_smoothing = s.label_smoothing,
          .optimizer = name_of(s.optimizer).data(),
          .learning_rate = s.rate,
          .momentum = s.momentum,
          .nesterov = s.nesterov ? 1 : 0,
          .weight_decay = s.weight_decay,
          .schedule = name_of(s.schedule).data(),
          .warmup_epochs = s.warmup_epochs,
          .step_epochs = s.step_epochs,
          .step_factor = s.step_factor,
          .max_norm = s.max_norm,
          .ema_decay = s.ema_decay,
          .epochs = s.epochs,
          .batch_size = s.batch_size,
          .seed = s.seed,
          .validation = s.validation,
          .patience = s.patience,
          .classes = 0,
          .max_pixel = 255,
          .threads = 0,
          .weights = nullptr,
          .on_epoch = nullptr,
          .context = nullptr,
          .stop = nullptr};
}

TrainingSettings settings_of(const softwarp_training_options& o) {
  demand_ranges(o);
  TrainingSettings s;
  s.hidden = hidden_of(o);
  s.activation = activation_of(o.activation);
  s.initialization = choice<Initialization>("initialization", o.initialization);
  s.dropout = {.input = static_cast<float>(o.input_dropout), .hidden = static_cast<float>(o.dropout)};
  s.label_smoothing = static_cast<float>(o.label_smoothing);
  s.optimizer = choice<OptimizerKind>("optimizer", o.optimizer);
  s.rate = o.learning_rate;
  s.momentum = o.momentum;
  s.nesterov = o.nesterov != 0;
  s.weight_decay = o.weight_decay;
  s.schedule = choice<ScheduleKind>("schedule", o.schedule);
  s.warmup_epochs = o.warmup_epochs;
  s.step_epochs = o.step_epochs;
  s.step_factor = o.step_factor;
  s.max_norm = o.max_norm;
  s.ema_decay = o.ema_decay;
  s.epochs = o.epochs;
  s.batch_size = o.batch_size;
  s.seed = o.seed;
  s.validation = o.validation;
  s.patience = o.patience;
  return s;
}

Activation activation_of(const char* name) { return choice<Activation>("activation", name); }

void demand_images(const softwarp_images* images) {
  demand(images != nullptr, "images, found NULL");
  demand_count("images.count", images->count, 0, std::numeric_limits<std::int32_t>::max());
  demand_count("images.height", images->height, 1, 1 << 24);
  demand_count("images.width", images->width, 1, (1 << 24) / images->height);
  demand(images->count == 0 || (images->pixels == nullptr) != (images->values == nullptr),
         "either pixels or values");
  if (images->values != nullptr) demand_memory("values", images->values, alignof(float));
}

Dataset dataset_of(const softwarp_images& images, const std::int64_t* labels,
                   const softwarp_training_options& o) {
  demand_at_least("images.count", images.count, 1);
  demand_memory("labels", labels, alignof(std::int64_t));
  demand_count("max_pixel", o.max_pixel, 1, 255);
  const std::span all(labels, static_cast<std::size_t>(images.count));
  const auto [least, most] = std::ranges::minmax(all);
  if (o.classes != 0) demand_count("classes", o.classes, 2, kMostClasses);
  demand(least >= 0 && most < (o.classes != 0 ? o.classes : kMostClasses),
         fmt::format("labels from 0 to {}, found {}", (o.classes != 0 ? o.classes : kMostClasses) - 1,
                     least < 0 ? least : most));

  Dataset data{.name = "arrays",
               .images = {},
               .labels = {all.begin(), all.end()},
               .count = images.count,
               .height = images.height,
               .width = images.width,
               .classes = o.classes != 0 ? o.classes : static_cast<int>(std::max<std::int64_t>(2, most + 1)),
               .max_pixel = o.max_pixel};
  const std::int64_t size = images.count * data.pixels();
  if (images.values != nullptr) {
    data.values.assign(images.values, images.values + size);
    return data;
  }
  data.images.assign(images.pixels, images.pixels + size);
  const auto bad = std::ranges::find_if(data.images, [&](int pixel) { return pixel > o.max_pixel; });
  demand(bad == data.images.end(), fmt::format("pixels up to max_pixel {}, found {}", o.max_pixel,
                                               bad == data.images.end() ? 0 : *bad));
  data.framing = measure_framing(data);
  return data;
}

}  // namespace softwarp::c
