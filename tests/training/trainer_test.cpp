#include "host/training/trainer.h"

#include <gtest/gtest.h>
#include <softwarp/dataset.h>
#include <softwarp/error.h>
#include <softwarp/train.h>

#include <algorithm>
#include <cmath>

#include "host/model/names.h"
#include "host/training/history.h"
#include "tests/backends.h"

namespace softwarp {
namespace {

const DataPair& mnist() {
  static const DataPair data = [] {
    DataPair all = load_data("mnist");
    return DataPair{head(all.train, 3000), head(all.test, 1500)};
  }();
  return data;
}

TrainingSettings short_settings() {
  TrainingSettings settings;
  settings.hidden = {64, 32};
  settings.epochs = 2;
  settings.batch_size = 128;
  return settings;
}

TrainingResult run(Backend& backend, const TrainingSettings& settings, const DataPair& data = mnist()) {
  TrainingObserver silent;
  return train(backend, settings, data, silent);
}

TEST(Trainer, GivesTheSameBitsForTheSameSeedOnEveryBackend) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    TrainingSettings settings = short_settings();
    const auto first = run(*backend, settings).model.values;
    EXPECT_EQ(run(*backend, settings).model.values, first);
    settings.seed = 2;
    EXPECT_NE(run(*backend, settings).model.values, first);
  }
}

// To record a step is to run it once.
TEST(Trainer, BeginsAsIfItHadRecordedNoStep) {
  for (const auto& backend : make_backends())
    for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw}) {
      SCOPED_TRACE(backend->name());
      TrainingSettings settings = short_settings();
      settings.optimizer = optimizer;
      settings.momentum = optimizer == OptimizerKind::sgd ? 0.9 : 0;
      settings.ema_decay = 0.9;
      const MlpShape shape{.inputs = 784, .hidden = settings.hidden, .classes = 10};
      const ResidentDataset data(*backend, mnist().train);
      const Trainer trainer(*backend, settings, shape, data);
      Mlp mlp(*backend, shape);
      mlp.initialize(settings.initialization, settings.seed);

      const TrainerState state = trainer.state();
      EXPECT_EQ(state.values, mlp.values());
      EXPECT_EQ(state.steps, 0);
      const auto is_zero = [](float moment) { return moment == 0; };
      EXPECT_GT(state.first_moment.size(), 0u);
      EXPECT_TRUE(std::ranges::all_of(state.first_moment, is_zero));
      EXPECT_TRUE(std::ranges::all_of(state.second_moment, is_zero));
      EXPECT_EQ(state.average.size(), state.values.size());
      EXPECT_TRUE(std::ranges::all_of(state.average, is_zero));
      EXPECT_EQ(trainer.running_score().images, 0);
    }
}

// 3000 = 23 batches of 128 and one of 56.
TEST(Trainer, RunsTheLastSmallerBatch) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const TrainingResult result = run(*backend, short_settings());
    EXPECT_EQ(result.history.back().steps, 2 * 24);
    for (const EpochRecord& record : result.history) EXPECT_EQ(record.train.images, 3000);
    EXPECT_EQ(result.test.images, 1500);
  }
}

TEST(Trainer, LearnsOneBatchByHeart) {
  const DataPair data{head(mnist().train, 50), head(mnist().test, 10)};
  TrainingSettings settings;
  settings.hidden = {64};
  settings.dropout = {0, 0};
  settings.epochs = 150;
  settings.rate = 1e-2;
  settings.batch_size = 0;
  for (const Activation activation :
       {Activation::relu, Activation::gelu, Activation::tanh, Activation::sigmoid})
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name());
      settings.activation = activation;
      const TrainingResult result = run(*backend, settings, data);
      EXPECT_EQ(result.history.back().train.accuracy, 1.0);
      EXPECT_LT(result.history.back().train.loss, 0.01);
    }
}

TEST(Trainer, HoldsImagesOutAndKeepsTheBestEpoch) {
  const auto backend = make_cpu_backend();
  TrainingSettings settings = short_settings();
  settings.validation = 0.2;
  settings.patience = 2;
  settings.epochs = 200;
  settings.schedule = ScheduleKind::constant;
  settings.rate = 1e-2;
  const TrainingResult result = run(*backend, settings);
  EXPECT_EQ(result.history.front().train.images, 2400);
  EXPECT_EQ(result.history.front().validation.images, 600);
  ASSERT_LT(result.history.size(), 200u);
  // The last two epochs, and no others before, did not improve on the best.
  std::size_t best = 0;
  for (std::size_t i = 0; i < result.history.size(); ++i)
    if (result.history[i].validation.loss < result.history[best].validation.loss) best = i;
  EXPECT_EQ(best + 3, result.history.size());

  TrainingSettings shorter = settings;
  shorter.epochs = static_cast<std::int64_t>(best + 1);
  EXPECT_EQ(run(*backend, shorter).model.values, result.model.values);
}

TEST(Trainer, EndsBetweenTwoStepsWhenAsked) {
  struct StopAfterThree : TrainingObserver {
    bool should_stop() override { return ++steps == 3; }
    int steps = 0;
  };
  for (const auto& backend : make_backends()) {
    StopAfterThree observer;
    const TrainingResult result = train(*backend, short_settings(), mnist(), observer);
    EXPECT_TRUE(result.stopped);
    EXPECT_EQ(result.history.back().steps, 3);
    EXPECT_EQ(result.test.images, 1500);
  }
}

// The error of a training whose numbers go wrong, and the steps it was seen to take.
struct Divergence {
  std::string error;
  std::int64_t steps = 0;
};
Divergence diverge(Backend& backend, const TrainingSettings& settings, const TrainingControl& control = {}) {
  struct CountSteps : TrainingObserver {
    void on_step(const Progress&) override { ++steps; }
    std::int64_t steps = 0;
  };
  CountSteps observer;
  try {
    const TrainingResult result = train(backend, settings, mnist(), observer, control);
    ADD_FAILURE() << "no error, but a loss of " << result.history.back().train.loss;
  } catch (const Error& error) {
    return {error.what(), observer.steps};
  }
  return {};
}

TEST(Trainer, NamesTheStepThatLosesItsNumbers) {
  TrainingSettings settings = short_settings();
  settings.optimizer = OptimizerKind::sgd;
  settings.schedule = ScheduleKind::constant;
  settings.dropout = {0, 0};
  for (const Activation activation : {Activation::relu, Activation::gelu})
    for (const double rate : {1e9, 1e20, 1e38})
      for (const auto& backend : make_backends()) {
        SCOPED_TRACE(testing::Message()
                     << backend->name() << ", " << name_of(activation) << ", rate " << rate);
        settings.activation = activation;
        settings.rate = rate;
        const Divergence late = diverge(*backend, settings);
        const Divergence at_once = diverge(*backend, settings, {.check_every_step = true});
        EXPECT_EQ(at_once.error.find("training diverged in step "), 0u) << at_once.error;
        EXPECT_NE(at_once.error.find("try a lower learning rate"), std::string::npos);
        const std::int64_t step = std::stoll(at_once.error.substr(26));
        EXPECT_LE(step, 6);
        EXPECT_EQ(at_once.steps, step - 1);
        EXPECT_EQ(late.steps, 24);  // of an epoch, which is shorter than 100
        // A mean that has exploded only shows later.
        if (at_once.error.find("mean") == std::string::npos) {
          EXPECT_EQ(late.error, at_once.error);
        }
      }
}

// With 1e9, whose loss stays finite for long, no run ends in 10 % accuracy as if nothing had happened.
TEST(Trainer, RefusesALossThatHasExploded) {
  for (const auto& backend : make_backends())
    for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw})
      for (const Activation activation :
           {Activation::relu, Activation::gelu, Activation::tanh, Activation::sigmoid}) {
        SCOPED_TRACE(testing::Message() << backend->name() << ", " << name_of(activation));
        TrainingSettings settings = short_settings();
        settings.optimizer = optimizer;
        settings.activation = activation;
        settings.rate = 1e9;
        EXPECT_EQ(diverge(*backend, settings).error.find("training diverged in step "), 0u);
      }
}

TEST(Trainer, KeepsNoCheckpointOfAnEpochThatDiverged) {
  for (const auto& backend : make_backends()) {
    TrainingSettings settings = short_settings();
    settings.epochs = 1;
    std::vector<Checkpoint> kept;
    TrainingControl control{.checkpoint_every = 1,
                            .save_checkpoint = [&](const Checkpoint& c) { kept.push_back(c); }};
    TrainingObserver silent;
    train(*backend, settings, mnist(), silent, control);
    ASSERT_EQ(kept.size(), 1u);
    const Checkpoint good = kept[0];
    settings.epochs = 3;
    settings.rate = 1e20;
    control.resume = &good;
    diverge(*backend, settings, control);
    EXPECT_EQ(kept.size(), 1u);
  }
}

TEST(Trainer, ResumesToTheSameBitsOnEveryBackend) {
  const DataPair few{head(mnist().train, 1000), head(mnist().test, 100)};
  for (const auto& backend : make_backends())
    for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw}) {
      TrainingSettings settings = short_settings();
      settings.optimizer = optimizer;
      settings.momentum = optimizer == OptimizerKind::sgd ? 0.9 : 0;
      settings.epochs = 3;
      settings.validation = 0.1;
      std::vector<Checkpoint> kept;
      TrainingObserver silent;
      const TrainingResult whole =
          train(*backend, settings, few, silent,
                {.checkpoint_every = 1, .save_checkpoint = [&](const Checkpoint& c) { kept.push_back(c); }});
      ASSERT_EQ(kept.size(), 3u);
      for (const Checkpoint& checkpoint : kept) {
        const TrainingResult rest = train(*backend, settings, few, silent, {.resume = &checkpoint});
        EXPECT_EQ(rest.model.values, whole.model.values);
        EXPECT_EQ(history_csv(rest.history, false), history_csv(whole.history, false));
      }
    }
}

// Two optimizers that see the same sums of gradients: one batch of all, or decay off against on.
TEST(Trainer, DecaysWeightsButNotBiases) {
  const auto backend = make_cpu_backend();
  TrainingSettings settings = short_settings();
  settings.optimizer = OptimizerKind::sgd;
  settings.schedule = ScheduleKind::constant;
  settings.initialization = Initialization::uniform;
  settings.dropout = {0, 0};
  settings.epochs = 1;
  settings.batch_size = 0;
  settings.rate = 0.5;
  const Model plain = run(*backend, settings).model;
  settings.weight_decay = 0.25;
  const Model decayed = run(*backend, settings).model;
  Mlp start(*backend, plain.shape);
  start.initialize(Initialization::uniform, settings.seed);
  const auto before = start.values();
  const ParameterLayout layout(plain.shape);
  for (const ParameterTensor& tensor : layout.tensors)
    for (std::int64_t k = 0; k < tensor.size(); ++k) {
      const auto i = static_cast<std::size_t>(tensor.offset + k);
      const float expected = tensor.is_bias() ? plain.values[i] : plain.values[i] - 0.5f * 0.25f * before[i];
      ASSERT_NEAR(decayed.values[i], expected, 1e-6) << tensor.name << " element " << k;
    }
}

TEST(Initialization, HasTheStatedBounds) {
  const auto backend = make_cpu_backend();
  for (const Activation activation : {Activation::relu, Activation::tanh, Activation::sigmoid}) {
    const double gain = activation == Activation::relu   ? std::sqrt(2.0)
                        : activation == Activation::tanh ? 5.0 / 3
                                                         : 1;
    Mlp mlp(*backend, {784, {300}, 10, activation});
    for (const Initialization kind : {Initialization::kaiming, Initialization::uniform}) {
      mlp.initialize(kind, 7);
      const auto values = mlp.values();
      for (std::size_t t = 0; t < 4; ++t) {
        const ParameterTensor& tensor = mlp.layout().tensors[t];
        const bool kaiming = kind == Initialization::kaiming;
        const double bound =
            (kaiming ? std::sqrt(3.0) * (t < 2 ? gain : 1.0) : 1.0) / std::sqrt(t < 2 ? 784.0 : 300.0);
        double largest = 0, squares = 0;
        for (std::int64_t k = 0; k < tensor.size(); ++k) {
          const double value = values[static_cast<std::size_t>(tensor.offset + k)];
          largest = std::max(largest, std::abs(value));
          squares += value * value;
        }
        if (kaiming && tensor.is_bias()) {
          EXPECT_EQ(largest, 0);
          continue;
        }
        EXPECT_LE(largest, bound * (1 + 1e-6)) << tensor.name;
        const double variance = squares / static_cast<double>(tensor.size());
        // A uniform value's square has mean b²/3 and deviation b² sqrt(4/45): six of them for the mean.
        EXPECT_NEAR(variance, bound * bound / 3, 6 * bound * bound * 0.2982 / std::sqrt(tensor.size()))
            << tensor.name;
      }
    }
  }
}

TEST(Trainer, ExpectsAnEpoch) {
  const auto backend = make_cpu_backend(1);
  TrainingSettings settings;
  settings.epochs = 0;
  const DataPair few{head(mnist().train, 20), head(mnist().test, 10)};
  TrainingObserver silent;
  EXPECT_THROW(train(*backend, settings, few, silent), std::invalid_argument);
}

}  // namespace
}  // namespace softwarp
