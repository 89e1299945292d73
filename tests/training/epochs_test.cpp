// The state that goes over from one epoch to the next, and through a checkpoint to a training that goes on.

#include <gtest/gtest.h>
#include <softwarp/error.h>

#include "host/training/history.h"
#include "host/training/trainer.h"
#include "tests/training/observed_training.h"
#include "tests/training/reference_training.h"

namespace softwarp {
namespace {

constexpr ScheduleKind kSchedules[] = {ScheduleKind::constant, ScheduleKind::cosine, ScheduleKind::one_cycle,
                                       ScheduleKind::step};

ObservedTraining resume(Backend& backend, const TrainingSettings& settings, const Checkpoint& checkpoint) {
  return ObservedTraining(backend, settings, {.checkpoint_every = 1, .resume = &checkpoint});
}

void expect_same(const Checkpoint& found, const Checkpoint& expected) {
  EXPECT_EQ(found.model.shape, expected.model.shape);
  EXPECT_EQ(found.model.values, expected.model.values);
  EXPECT_EQ(found.first_moment, expected.first_moment);
  EXPECT_EQ(found.second_moment, expected.second_moment);
  EXPECT_EQ(found.average, expected.average);
  EXPECT_EQ(found.best, expected.best);
  EXPECT_EQ(history_csv(found.history, false), history_csv(expected.history, false));
}

void expect_same(const TrainingResult& found, const TrainingResult& expected) {
  EXPECT_EQ(found.model.values, expected.model.values);
  EXPECT_EQ(history_csv(found.history, false), history_csv(expected.history, false));
  EXPECT_EQ(found.test.loss, expected.test.loss);
  EXPECT_EQ(found.classification.confusion, expected.classification.confusion);
  EXPECT_EQ(found.stopped, expected.stopped);
}

// Gone on with from each of its checkpoints, the training leaves the same, and the same checkpoints.
void expect_to_resume(Backend& backend, const TrainingSettings& settings, const ObservedTraining& whole) {
  for (std::size_t i = 0; i < whole.kept.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "resumed after epoch " << i + 1);
    const ObservedTraining rest = resume(backend, settings, whole.kept[i]);
    expect_same(rest.result, whole.result);
    ASSERT_EQ(rest.kept.size(), whole.kept.size() - i - 1);
    for (std::size_t k = 0; k < rest.kept.size(); ++k) expect_same(rest.kept[k], whole.kept[i + 1 + k]);
    EXPECT_EQ(std::ssize(rest.epochs), std::ssize(rest.kept));
    EXPECT_EQ(rest.start.epochs_before, static_cast<std::int64_t>(i) + 1);
  }
}

std::size_t best_epoch(const std::vector<EpochRecord>& history) {
  std::size_t best = 0;
  for (std::size_t e = 1; e < history.size(); ++e)
    if (history[e].validation.loss < history[best].validation.loss) best = e;
  return best + 1;
}

// From epoch 3 on each epoch would become the best where the best loss is forgotten.
TEST(Epochs, RememberTheBestOfThemAfterAResume) {
  TrainingSettings settings = held_out_settings();
  settings.epochs = 9;
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const ObservedTraining whole(*backend, settings);
    ASSERT_EQ(best_epoch(whole.result.history), 2u);
    ASSERT_EQ(whole.kept.size(), 9u);
    EXPECT_EQ(whole.result.model.values, whole.kept[1].model.values);
    for (std::size_t e = 0; e < 9; ++e) {
      EXPECT_EQ(whole.kept[e].best, whole.kept[e == 0 ? 0 : 1].model.values) << e;
      EXPECT_EQ(whole.kept[e].model.values == whole.kept[1].model.values, e == 1) << e;
    }
    expect_to_resume(*backend, settings, whole);
  }
}

TEST(Epochs, CountThePatienceOnAfterAResume) {
  const auto backends = make_backends();
  for (const std::int64_t patience : {1, 2, 4, 7, 8}) {
    SCOPED_TRACE(patience);
    TrainingSettings settings = held_out_settings();
    settings.patience = patience;
    const ObservedTraining whole(*backends.front(), settings);
    // With the best in epoch 2, until epoch 10 is better.
    ASSERT_EQ(std::ssize(whole.result.history), patience < 8 ? 2 + patience : 12);
    expect_to_resume(*backends.front(), settings, whole);
  }
}

TEST(Epochs, GoOnAfterAResumeWithEveryOptimizerAndSchedule) {
  const auto backends = make_backends();
  Backend& backend = *backends.front();
  for (const ScheduleKind schedule : kSchedules)
    for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw})
      for (const double momentum : {0.0, 0.9})
        for (const double validation : {0.0, 0.3}) {
          TrainingSettings settings = small_settings();
          settings.schedule = schedule;
          settings.warmup_epochs = 1.5;
          settings.optimizer = optimizer;
          settings.momentum = optimizer == OptimizerKind::sgd ? momentum : 0;
          settings.nesterov = settings.momentum > 0;
          settings.weight_decay = 0.1;
          settings.validation = validation;
          expect_to_resume(backend, settings, ObservedTraining(backend, settings));
          settings.ema_decay = 0.7;
          settings.max_norm = 1;
          expect_to_resume(backend, settings, ObservedTraining(backend, settings));
        }
}

// Of validation, test and result, and of what an epoch keeps as the best; the training itself goes on from
// what the steps left.
TEST(Epochs, AreJudgedByTheMovingAverage) {
  TrainingSettings settings = held_out_settings();
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    settings.ema_decay = 0;
    const ObservedTraining plain(*backend, settings);
    settings.ema_decay = 0.9;
    const ObservedTraining averaged(*backend, settings);
    ASSERT_EQ(averaged.kept.size(), 12u);
    const std::size_t best = best_epoch(averaged.result.history);
    EXPECT_EQ(averaged.result.model.values, averaged.kept[best - 1].average);
    EXPECT_EQ(averaged.kept.back().best, averaged.kept[best - 1].average);
    EXPECT_NE(averaged.result.test.loss, plain.result.test.loss);
    for (std::size_t e = 0; e < 12; ++e) {
      EXPECT_EQ(averaged.kept[e].model.values, plain.kept[e].model.values);
      EXPECT_EQ(averaged.result.history[e].train.loss, plain.result.history[e].train.loss);
      EXPECT_NE(averaged.result.history[e].validation.loss, plain.result.history[e].validation.loss);
      EXPECT_TRUE(plain.kept[e].average.empty());
    }
    expect_to_resume(*backend, settings, averaged);
  }
}

// A checkpoint of a training with other settings.
TEST(Epochs, DoNotGoOnFromTheCheckpointOfAnother) {
  const auto backends = make_backends();
  TrainingSettings settings = small_settings();
  const Checkpoint good = ObservedTraining(*backends.front(), settings).kept.front();
  const auto expect_refused = [&](const char* part, auto change) {
    Checkpoint other = good;
    change(other);
    try {
      resume(*backends.front(), settings, other);
      ADD_FAILURE() << "no error: " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  expect_refused("layers", [](Checkpoint& c) { c.model.shape.hidden = {5, 5}; });
  expect_refused("layers", [](Checkpoint& c) { c.model.shape.activation = Activation::relu; });
  expect_refused("moments", [](Checkpoint& c) { c.first_moment.clear(); });
  expect_refused("moments", [](Checkpoint& c) { c.second_moment.clear(); });
  expect_refused("best epoch", [](Checkpoint& c) { c.best = c.model.values; });
  expect_refused("moving average", [](Checkpoint& c) { c.average = c.model.values; });
  expect_refused("history", [](Checkpoint& c) { ++c.history.front().steps; });
  expect_refused("history", [](Checkpoint& c) { c.history.front().validation.images = 1; });
  settings.ema_decay = 0.5;
  expect_refused("moving average", [](Checkpoint&) {});
  expect_refused("moving average", [](Checkpoint& c) { c.average.assign(c.model.values.size() - 1, 0); });
}

TEST(Epochs, AreAsManyMoreAsAResumeAsksFor) {
  const auto backends = make_backends();
  TrainingSettings settings = held_out_settings();
  const ObservedTraining whole(*backends.front(), settings);
  settings.epochs = 5;
  const ObservedTraining first(*backends.front(), settings);
  settings.epochs = 12;
  expect_same(resume(*backends.front(), settings, first.kept.back()).result, whole.result);
}

// The state after the next epoch, from the state before it.
TrainerState next_epoch(Trainer& trainer, const TrainerState& before) {
  trainer.restore(before);
  EXPECT_EQ(trainer.steps(), before.steps);
  trainer.run_epoch([] { return true; });
  return trainer.state();
}

void expect_same(const TrainerState& found, const TrainerState& expected) {
  EXPECT_EQ(found.epochs, expected.epochs);
  EXPECT_EQ(found.steps, expected.steps);
  EXPECT_EQ(found.values, expected.values);
  EXPECT_EQ(found.first_moment, expected.first_moment);
  EXPECT_EQ(found.second_moment, expected.second_moment);
  EXPECT_EQ(found.average, expected.average);
}

TEST(Epochs, DependOnEachPartOfTheTrainersStateAndOnNothingElse) {
  for (const auto& backend : make_backends())
    for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw})
      for (const double momentum : {0.0, 0.9}) {
        SCOPED_TRACE(testing::Message() << backend->name() << ", momentum " << momentum);
        TrainingSettings settings = small_settings();
        settings.optimizer = optimizer;
        settings.momentum = momentum;
        settings.ema_decay = 0.9;
        const DataPair data = small_data();
        const ResidentDataset images(*backend, data.train);
        const auto make_trainer = [&] {
          return std::make_unique<Trainer>(*backend, settings, MlpShape{6, {5, 4}, 3, Activation::tanh},
                                           images);
        };
        const auto trainer = make_trainer(), fresh = make_trainer(), used = make_trainer();
        std::vector<TrainerState> states{trainer->state()};
        for (std::int64_t epoch = 1; epoch <= 3; ++epoch) {
          trainer->run_epoch([] { return true; });
          states.push_back(trainer->state());
          EXPECT_EQ(states.back().epochs, epoch);
          EXPECT_EQ(states.back().steps, 5 * epoch);
        }
        const TrainerState& before = states[2];
        EXPECT_EQ(before.first_moment.empty(), optimizer == OptimizerKind::sgd && momentum == 0);
        EXPECT_EQ(before.second_moment.empty(), optimizer == OptimizerKind::sgd);
        fresh->restore(before);
        expect_same(fresh->state(), before);
        expect_same(next_epoch(*fresh, before), states[3]);
        used->run_epoch([&] { return used->steps() < 3; });
        expect_same(next_epoch(*used, before), states[3]);
        expect_same(next_epoch(*used, states[0]), states[1]);

        // Without one part of it the epoch is another.
        const auto expect_other = [&](const char* part, auto lose) {
          TrainerState other = before;
          lose(other);
          EXPECT_NE(next_epoch(*fresh, other).values, states[3].values) << part;
          EXPECT_NE(fresh->state().average, states[3].average) << part;
        };
        expect_other("epochs", [](TrainerState& state) { state.epochs = 0; });
        expect_other("steps", [](TrainerState& state) { state.steps = 0; });
        expect_other("values", [&](TrainerState& state) { state.values = states[1].values; });
        TrainerState other = before;
        other.average = states[1].average;
        EXPECT_NE(next_epoch(*fresh, other).average, states[3].average);
        EXPECT_EQ(fresh->state().values, states[3].values);
        if (!before.first_moment.empty())
          expect_other("first", [&](TrainerState& state) { state.first_moment = states[1].first_moment; });
        if (!before.second_moment.empty())
          expect_other("second", [&](TrainerState& state) { state.second_moment = states[1].second_moment; });
      }
}

// Stopped after each number of steps, at the end of an epoch too.
TEST(Epochs, TellTheRateOfTheirLastStep) {
  const auto backends = make_backends();
  for (const ScheduleKind schedule : kSchedules) {
    TrainingSettings settings = small_settings();
    settings.schedule = schedule;
    settings.warmup_epochs = 1.5;
    for (std::int64_t steps = 1; steps <= 15; ++steps) {
      SCOPED_TRACE(testing::Message() << to_flags(settings).at("--schedule") << ", " << steps << " steps");
      const ObservedTraining run(*backends.front(), settings, {.checkpoint_every = 1}, steps);
      const std::int64_t whole = steps / 5, last = steps % 5;
      EXPECT_TRUE(run.result.stopped);
      EXPECT_EQ(std::ssize(run.kept), whole) << "an epoch that was ended early has none";
      EXPECT_EQ(std::ssize(run.epochs), whole + (last > 0));
      EXPECT_EQ(history_csv(run.result.history, true), history_csv(run.epochs, true));
      for (std::int64_t e = 0; e < std::ssize(run.epochs); ++e) {
        const EpochRecord& record = run.epochs[static_cast<std::size_t>(e)];
        EXPECT_EQ(record.epoch, e + 1);
        EXPECT_EQ(record.steps, e < whole ? 5 * (e + 1) : steps);
        EXPECT_EQ(record.train.images, e < whole ? 23 : 5 * last);
        EXPECT_NEAR(record.learning_rate, defined_rate(settings, 5, record.steps - 1),
                    2 * kRounding * settings.rate)
            << "epoch " << e + 1;
      }
    }
  }
}

// The clock runs on from a checkpoint's, that of the epoch does not.
TEST(Epochs, TellTimesThatGoOnAfterAResume) {
  constexpr double kBefore = 1e4, kHour = 3600;
  const auto backends = make_backends();
  const TrainingSettings settings = held_out_settings();
  Checkpoint checkpoint = ObservedTraining(*backends.front(), settings).kept[3];
  checkpoint.history.back().seconds = kBefore;
  checkpoint.history.back().samples_per_second = 77;
  const ObservedTraining rest = resume(*backends.front(), settings, checkpoint);
  ASSERT_EQ(rest.epochs.size(), 8u);
  double last = kBefore;
  for (const EpochRecord& record : rest.epochs) {
    EXPECT_GT(record.seconds, last);
    EXPECT_GT(record.samples_per_second * (record.seconds - last), 0.999 * 16)
        << "validation takes time, too";
    EXPECT_GT(record.samples_per_second, 16 / kHour);
    last = record.seconds;
  }
  EXPECT_GE(rest.result.seconds, last);
  EXPECT_LT(rest.result.seconds, kBefore + kHour);
  EXPECT_GT(rest.result.samples_per_second, 16 / kHour);
  last = kBefore;
  for (const Progress& step : rest.steps) {
    const double epoch_began =
        step.epoch == 5 ? kBefore : rest.result.history[static_cast<std::size_t>(step.epoch) - 2].seconds;
    EXPECT_GE(step.seconds, last);
    EXPECT_GT(step.epoch_seconds, 0);
    EXPECT_LE(step.epoch_seconds, step.seconds - epoch_began + 1e-9);
    last = step.seconds;
  }
  EXPECT_LT(last, kBefore + kHour);

  TrainingSettings done = settings;
  done.epochs = 4;
  const TrainingResult nothing = resume(*backends.front(), done, checkpoint).result;
  EXPECT_EQ(nothing.samples_per_second, 77);
  EXPECT_GE(nothing.seconds, kBefore);
}

TEST(Epochs, TellWhereEachStepStands) {
  const auto backends = make_backends();
  for (const double validation : {0.0, 0.3}) {
    TrainingSettings settings = small_settings();
    settings.validation = validation;
    const std::int64_t held_out = validation > 0 ? 7 : 0, count = 23 - held_out, steps = (count + 4) / 5;
    const ObservedTraining whole(*backends.front(), settings);
    const ObservedTraining rest = resume(*backends.front(), settings, whole.kept.front());
    for (const ObservedTraining* run : {&whole, &rest}) {
      const std::int64_t before = run == &rest ? 1 : 0;
      EXPECT_EQ(run->start.shape, (MlpShape{6, {5, 4}, 3, Activation::tanh}));
      EXPECT_EQ(run->start.parameters, 7 * 5 + 6 * 4 + 5 * 3);
      EXPECT_EQ(run->start.train_images, count);
      EXPECT_EQ(run->start.validation_images, held_out);
      EXPECT_EQ(run->start.batch_size, 5);
      EXPECT_EQ(run->start.steps_per_epoch, steps);
      EXPECT_EQ(run->start.epochs_before, before);
      ASSERT_EQ(std::ssize(run->steps), (3 - before) * steps);
      for (std::int64_t i = 0; i < std::ssize(run->steps); ++i) {
        const Progress& step = run->steps[static_cast<std::size_t>(i)];
        EXPECT_EQ(step.epoch, before + i / steps + 1);
        EXPECT_EQ(step.epochs, 3);
        EXPECT_EQ(step.samples, std::min(count, 5 * (i % steps + 1)));
        EXPECT_EQ(step.count, count);
        EXPECT_EQ(run->scores[static_cast<std::size_t>(i)].images, step.samples);
      }
      for (const EpochRecord& record : run->epochs) EXPECT_EQ(record.validation.images, held_out);
    }
  }
}

// After every so many epochs counted from the training's first, and after the last, even if patience or the
// user ends the training there.
TEST(Epochs, AreKeptEverySoOften) {
  const auto backends = make_backends();
  const auto kept = [&](std::int64_t every, std::int64_t patience, std::int64_t stop_after) {
    TrainingSettings settings = held_out_settings();
    settings.epochs = 7;
    settings.patience = patience;
    std::vector<std::int64_t> epochs;
    for (const Checkpoint& checkpoint :
         ObservedTraining(*backends.front(), settings, {.checkpoint_every = every}, stop_after).kept)
      epochs.push_back(std::ssize(checkpoint.history));
    return epochs;
  };
  using Epochs = std::vector<std::int64_t>;
  EXPECT_EQ(kept(0, 0, -1), Epochs{});
  EXPECT_EQ(kept(1, 0, -1), (Epochs{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(kept(2, 0, -1), (Epochs{2, 4, 6, 7}));
  EXPECT_EQ(kept(3, 0, -1), (Epochs{3, 6, 7}));
  EXPECT_EQ(kept(7, 0, -1), (Epochs{7}));
  EXPECT_EQ(kept(100, 0, -1), (Epochs{7}));
  EXPECT_EQ(kept(100, 3, -1), (Epochs{5}));
  EXPECT_EQ(kept(4, 3, -1), (Epochs{4, 5}));
  EXPECT_EQ(kept(100, 0, 8), (Epochs{2}));
  EXPECT_EQ(kept(100, 0, 9), Epochs{});
  EXPECT_EQ(kept(0, 3, 8), Epochs{});

  TrainingSettings settings = held_out_settings();
  settings.epochs = 7;
  const ObservedTraining whole(*backends.front(), settings);
  const ObservedTraining rest(*backends.front(), settings, {.checkpoint_every = 3, .resume = &whole.kept[3]});
  ASSERT_EQ(rest.kept.size(), 2u);
  EXPECT_EQ(rest.kept[0].history.size(), 6u);
}

}  // namespace
}  // namespace softwarp
