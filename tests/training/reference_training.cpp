#include "tests/training/reference_training.h"

#include <softwarp/dataset.h>

#include <numbers>
#include <numeric>
#include <random>
#include <tuple>

#include "tests/ops/reference_augment.h"
#include "tests/training/reference_network.h"

namespace softwarp {
namespace {

constexpr double kStep = 1e-5;  // of central differences, whose error is then some 1e-10

Doubles defined_start(const TrainingSettings& settings, const MlpShape& shape) {
  const ParameterLayout layout(shape);
  Doubles values(static_cast<std::size_t>(layout.size));
  const bool relu_like = shape.activation == Activation::relu || shape.activation == Activation::gelu;
  const double gain = relu_like ? std::sqrt(2.0) : shape.activation == Activation::tanh ? 5.0 / 3 : 1;
  for (std::size_t t = 0; t < layout.tensors.size(); ++t) {
    const ParameterTensor& tensor = layout.tensors[t];
    const bool kaiming = settings.initialization == Initialization::kaiming;
    if (kaiming && tensor.is_bias()) continue;
    const bool last = t + 2 == layout.tensors.size();
    const double bound =
        (kaiming ? std::sqrt(3.0) * (last ? 1 : gain) : 1) / std::sqrt(static_cast<double>(tensor.fan_in));
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      const RandomWords words =
          random_words(settings.seed, RandomPurpose::initial_weights, static_cast<std::uint32_t>(t), 0,
                       static_cast<std::uint64_t>(i / 4));
      const double share = static_cast<double>(words.v[i % 4] / 256) / (1 << 24);  // 24 bits
      values[static_cast<std::size_t>(tensor.offset + i)] = static_cast<float>(bound * (2 * share - 1));
    }
  }
  return values;
}

std::vector<std::int64_t> defined_order(std::uint64_t seed, std::int64_t epoch, std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    const auto key = [&](std::int64_t image) {
      return random_words(seed, RandomPurpose::permutation, 0, static_cast<std::uint32_t>(epoch),
                          static_cast<std::uint64_t>(image))[0];
    };
    return key(a) < key(b);
  });
  return order;
}

struct Batch {
  Batch(const Dataset& data, std::span<const std::int64_t> which, const Augmentation& augmentation = {},
        std::uint64_t seed = 0, std::int64_t epoch = 0) {
    const auto pixels = static_cast<std::size_t>(data.pixels());
    for (const std::int64_t image : which) {
      const LabelledImage labelled{
          std::span(data.images).subspan(static_cast<std::size_t>(image) * pixels, pixels), data.height,
          data.width, data.labels[static_cast<std::size_t>(image)]};
      for (const double pixel : augment_definition(labelled, augmentation, seed, epoch, image))
        images.push_back(pixel / static_cast<double>(data.max_pixel));
      labels.push_back(data.labels[static_cast<std::size_t>(image)]);
    }
  }
  Doubles images;
  std::vector<std::int32_t> labels;
};

Score evaluate(const MlpShape& shape, const Doubles& values, const Dataset& data) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(data.count));
  std::iota(all.begin(), all.end(), 0);
  const Batch batch(data, all);
  const ReferenceScore score = reference_score(shape, values, batch.images, batch.labels);
  return {score.loss, static_cast<double>(score.correct) / static_cast<double>(data.count), data.count};
}

// One parameter, by the definitions that <softwarp/optimizer.h> cites; t counts steps from 1.
void update(const TrainingSettings& s, double& p, double& m, double& v, double g, double decay, double rate,
            std::int64_t t) {
  if (s.optimizer == OptimizerKind::sgd) {
    g += decay * p;
    m = s.momentum * m + g;
    p -= rate * (s.nesterov ? g + s.momentum * m : m);
    return;
  }
  const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, steps = static_cast<double>(t);
  p -= rate * decay * p;
  m = beta1 * m + (1 - beta1) * g;
  v = beta2 * v + (1 - beta2) * g * g;
  p -= rate * m / (1 - std::pow(beta1, steps)) / (std::sqrt(v / (1 - std::pow(beta2, steps))) + epsilon);
}

// Each row of a layer's weights within the norm.
void limit_norms(const ParameterLayout& layout, double max_norm, Doubles& values) {
  if (max_norm == 0) return;
  for (const ParameterTensor& tensor : layout.tensors)
    for (std::int64_t r = 0; !tensor.is_bias() && r < tensor.rows; ++r) {
      const auto row = std::span(values).subspan(static_cast<std::size_t>(tensor.offset + r * tensor.cols),
                                                 static_cast<std::size_t>(tensor.cols));
      const double norm = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
      for (double& value : row) value *= std::min(1.0, max_norm / norm);
    }
}

// The mean of what the values were after each step, weighted by powers of a decay.
struct WeightedMean {
  void add(const Doubles& values, double decay) {
    if (sums.empty()) sums.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) sums[i] = decay * sums[i] + values[i];
    weights = decay * weights + 1;
  }
  Doubles mean() const {
    Doubles result;
    for (const double sum : sums) result.push_back(sum / weights);
    return result;
  }
  Doubles sums;
  double weights = 0;
};

}  // namespace

double defined_rate(const TrainingSettings& s, std::int64_t steps_per_epoch, std::int64_t step) {
  const auto an_epoch = static_cast<double>(steps_per_epoch), now = static_cast<double>(step);
  const double all = static_cast<double>(s.epochs) * an_epoch;
  const auto half_wave = [](double from, double to, double share) {
    return to + (from - to) * (1 + std::cos(std::numbers::pi * std::min(share, 1.0))) / 2;
  };
  if (s.schedule == ScheduleKind::one_cycle) {
    const double peak = 0.3 * all - 1;
    if (peak > 0 && now <= peak) return half_wave(s.rate / 25, s.rate, now / peak);
    return half_wave(s.rate, s.rate / 25e4, (now - peak) / (all - 1 - peak));
  }
  const double warmup = std::floor(s.warmup_epochs * an_epoch + 0.5);
  if (now < warmup) return s.rate * (now + 1) / warmup;
  if (s.schedule == ScheduleKind::cosine) return half_wave(s.rate, 0, (now - warmup) / (all - warmup));
  if (s.schedule == ScheduleKind::step)
    return s.rate * std::pow(s.step_factor,
                             std::floor((now - warmup) / (static_cast<double>(s.step_epochs) * an_epoch)));
  return s.rate;
}

ReferenceTraining reference_train(const TrainingSettings& s, const DataPair& data) {
  Dataset train = data.train, validation;
  if (s.validation > 0) std::tie(train, validation) = split(data.train, s.validation, s.seed);
  const MlpShape shape{train.pixels(), s.hidden, train.classes, s.activation};
  const ParameterLayout layout(shape);
  Doubles values = defined_start(s, shape), best, m(values.size()), v(values.size()), g(values.size());
  const std::int64_t batch_size = s.batch_size == 0 ? train.count : std::min(s.batch_size, train.count);
  const std::int64_t steps_per_epoch = (train.count + batch_size - 1) / batch_size;
  struct Parameter {
    std::size_t at;
    double decay;
  };
  std::vector<Parameter> parameters;
  for (const ParameterTensor& tensor : layout.tensors)
    for (std::int64_t k = 0; k < tensor.size(); ++k)
      parameters.push_back(
          {static_cast<std::size_t>(tensor.offset + k), tensor.is_bias() ? 0 : s.weight_decay});
  WeightedMean average;  // with a decay of 0, the last
  double lowest = INFINITY;
  std::int64_t step = 0, epochs_since = 0;
  ReferenceTraining result;

  for (std::int64_t epoch = 0; epoch < s.epochs; ++epoch) {
    const std::vector<std::int64_t> order = defined_order(s.seed, epoch, train.count);
    EpochRecord record;
    record.epoch = epoch + 1;
    for (std::int64_t first = 0; first < train.count; first += batch_size, ++step) {
      const std::int64_t rows = std::min(batch_size, train.count - first);
      const Batch batch(
          train, std::span(order).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows)),
          s.augmentation, s.seed, epoch);
      const Masks masks = defined_masks(shape, rows, s.dropout, s.seed, step);
      const auto score = [&] {
        return reference_score(shape, values, batch.images, batch.labels, masks, s.label_smoothing);
      };
      record.train.loss += score().loss * static_cast<double>(rows) / static_cast<double>(train.count);
      record.train.accuracy += static_cast<double>(score().correct) / static_cast<double>(train.count);
      for (const auto& [i, decay] : parameters) {
        const double value = values[i];
        values[i] = value + kStep;
        const double above = score().loss;
        values[i] = value - kStep;
        g[i] = (above - score().loss) / (2 * kStep);
        values[i] = value;
      }
      record.learning_rate = defined_rate(s, steps_per_epoch, step);
      for (const auto& [i, decay] : parameters)
        update(s, values[i], m[i], v[i], g[i], decay, record.learning_rate, step + 1);
      limit_norms(layout, s.max_norm, values);
      average.add(values, s.ema_decay);
    }
    const Doubles model = average.mean();
    record.steps = step;
    record.train.images = train.count;
    ++epochs_since;
    if (s.validation > 0) record.validation = evaluate(shape, model, validation);
    if (s.validation == 0 || record.validation.loss < lowest) {
      lowest = record.validation.loss;
      best = model;
      epochs_since = 0;
    }
    result.history.push_back(record);
    if (s.patience > 0 && epochs_since >= s.patience) break;
  }
  result.values = best;
  result.test = evaluate(shape, best, data.test);
  return result;
}

DataPair small_data() {
  std::mt19937 random(7);
  const auto draw = [&](std::int64_t count) {
    Dataset data{
        .name = "small", .images = {}, .labels = {}, .count = count, .height = 2, .width = 3, .classes = 3};
    for (std::int64_t i = 0; i < count; ++i) {
      const unsigned label = static_cast<unsigned>(random() % 3);
      for (unsigned j = 0; j < 6; ++j)
        data.images.push_back(static_cast<std::uint8_t>(random() % 156 + (j % 3 == label ? 100 : 0)));
      data.labels.push_back(static_cast<std::uint8_t>(label));
    }
    return data;
  };
  DataPair data;
  data.train = draw(23);
  data.test = draw(11);
  return data;
}

TrainingSettings small_settings() {
  TrainingSettings settings;
  settings.hidden = {5, 4};
  settings.activation = Activation::tanh;
  settings.dropout = {.input = 0.2f, .hidden = 0.3f};
  settings.rate = 0.02;
  settings.schedule = ScheduleKind::constant;
  settings.step_epochs = 1;
  settings.epochs = 3;
  settings.batch_size = 5;
  return settings;
}

TrainingSettings held_out_settings() {
  TrainingSettings settings = small_settings();
  settings.optimizer = OptimizerKind::sgd;
  settings.rate = 0.2;
  settings.momentum = 0.5;
  settings.epochs = 12;
  settings.validation = 0.3;
  return settings;
}

}  // namespace softwarp
