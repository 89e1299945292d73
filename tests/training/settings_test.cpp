// Each setting of a training does what it says and is not lost on the way: against the training in double,
// and against the same training with another value of that setting alone.

#include "host/training/settings.h"

#include <map>
#include <set>

#include "core/optimizer.h"
#include "host/training/history.h"
#include "tests/training/reference_training.h"

namespace softwarp {
namespace {

using S = TrainingSettings;

TrainingSettings adamw() { return small_settings(); }

template <class T>
TrainingSettings with(TrainingSettings settings, T S::* field, std::type_identity_t<T> value) {
  settings.*field = value;
  return settings;
}

TrainingSettings sgd() {
  return with(with(with(adamw(), &S::optimizer, OptimizerKind::sgd), &S::rate, 0.2), &S::momentum, 0.9);
}

struct Row {
  std::string flag;  // of the one setting in which the two differ
  TrainingSettings before, after;
  std::string same;  // why they give the same numbers; empty: they do not
};

struct Table {
  std::vector<Row> rows;

  // Each of the values gives another training than the one before it.
  template <class T>
  void changes(const std::string& flag, T S::* field, const TrainingSettings& given,
               const std::vector<std::type_identity_t<T>>& values, const std::string& same = "") {
    for (std::size_t i = 1; i < values.size(); ++i)
      rows.push_back({flag, with(given, field, values[i - 1]), with(given, field, values[i]), same});
  }
  // Each of them gives the same training, for this reason.
  template <class T>
  void leaves(const std::string& flag, T S::* field, const TrainingSettings& given,
              const std::vector<std::type_identity_t<T>>& values, const std::string& why) {
    changes(flag, field, given, values, why);
  }
};

constexpr ScheduleKind kSchedules[] = {ScheduleKind::constant, ScheduleKind::cosine, ScheduleKind::one_cycle,
                                       ScheduleKind::step};

void add_network_rows(Table& t) {
  t.changes("--hidden", &S::hidden, adamw(), {{5, 4}, {4, 5}, {5}, {}});
  // With dropout and biases of 0, z may be exactly 0, where relu has no derivative to compare with.
  for (const TrainingSettings& given :
       {with(adamw(), &S::initialization, Initialization::uniform), with(adamw(), &S::dropout, {}),
        with(sgd(), &S::initialization, Initialization::uniform)})
    t.changes("--activation", &S::activation, given, {std::begin(kActivations), std::end(kActivations)});
  for (const TrainingSettings& given : {adamw(), sgd()}) {
    t.changes("--init", &S::initialization, given, {Initialization::kaiming, Initialization::uniform});
    t.changes("--input-dropout", &S::dropout, given, {{0, 0.3f}, {0.2f, 0.3f}, {0.5f, 0.3f}});
    t.changes("--dropout", &S::dropout, given, {{0.2f, 0}, {0.2f, 0.3f}, {0.2f, 0.5f}});
    t.changes("--label-smoothing", &S::label_smoothing, given, {0, 0.1f, 0.4f, 1});
  }
}

void add_optimizer_rows(Table& t) {
  t.changes("--optimizer", &S::optimizer, adamw(), {OptimizerKind::adamw, OptimizerKind::sgd});
  for (const ScheduleKind kind : kSchedules)
    for (const TrainingSettings& given : {adamw(), sgd()})
      t.changes("--lr", &S::rate, with(given, &S::schedule, kind), {0.01, 0.02, 0.05});
  t.changes("--momentum", &S::momentum, sgd(), {0, 0.5, 0.9});
  t.leaves("--momentum", &S::momentum, adamw(), {0, 0.9}, "AdamW has beta1 instead");
  t.changes("--nesterov", &S::nesterov, sgd(), {false, true});
  t.leaves("--nesterov", &S::nesterov, adamw(), {false, true}, "AdamW has none");
  t.changes("--weight-decay", &S::weight_decay, sgd(), {0, 0.1, 0.3});
  t.changes("--weight-decay", &S::weight_decay, with(sgd(), &S::nesterov, true), {0, 0.1});
  t.changes("--weight-decay", &S::weight_decay, adamw(), {0, 0.1, 0.3});
  for (const TrainingSettings& given : {adamw(), sgd(), held_out_settings()}) {
    t.changes("--max-norm", &S::max_norm, given, {0, 1, 0.5, 0.1});  // biases go beyond
    t.leaves("--max-norm", &S::max_norm, given, {0, 1000}, "no norm is as large");
    t.changes("--ema-decay", &S::ema_decay, given, {0, 0.5, 0.9});
    t.changes("--ema-decay", &S::ema_decay, with(given, &S::max_norm, 0.5), {0, 0.9});
  }
}

void add_schedule_rows(Table& t) {
  for (const TrainingSettings& given : {adamw(), sgd()})
    t.changes("--schedule", &S::schedule, with(given, &S::step_factor, 0.5),
              {std::begin(kSchedules), std::end(kSchedules)});
  for (const ScheduleKind kind : kSchedules) {
    const TrainingSettings given = with(adamw(), &S::schedule, kind);
    if (kind == ScheduleKind::one_cycle)
      t.leaves("--warmup-epochs", &S::warmup_epochs, given, {0, 1}, "it has its own");
    else
      t.changes("--warmup-epochs", &S::warmup_epochs, given, {0, 0.5, 1, 1.3, 4});
    t.leaves("--warmup-epochs", &S::warmup_epochs, given, {0, 0.09}, "less than half of one of 5 steps");
    if (kind == ScheduleKind::step) continue;
    t.leaves("--step-epochs", &S::step_epochs, given, {1, 2}, "of the step schedule alone");
    t.leaves("--step-factor", &S::step_factor, given, {0.1, 0.5}, "of the step schedule alone");
  }
  const TrainingSettings steps = with(adamw(), &S::schedule, ScheduleKind::step);
  t.changes("--step-epochs", &S::step_epochs, steps, {1, 2, 3});
  t.changes("--step-epochs", &S::step_epochs, with(steps, &S::warmup_epochs, 0.5), {1, 2});
  t.leaves("--step-epochs", &S::step_epochs, steps, {3, 4}, "the training is over by then");
  t.changes("--step-factor", &S::step_factor, steps, {0.1, 0.5, 1});
  t.leaves("--step-factor", &S::step_factor, with(steps, &S::step_epochs, 3), {0.1, 0.5}, "no drop");
}

void add_data_rows(Table& t) {
  for (const ScheduleKind kind : kSchedules)
    t.changes("--epochs", &S::epochs, with(with(adamw(), &S::schedule, kind), &S::step_factor, 0.5),
              {1, 2, 3});
  t.leaves("--epochs", &S::epochs, with(held_out_settings(), &S::patience, 1), {12, 13},
           "it ends before them");
  t.changes("--batch-size", &S::batch_size, adamw(), {5, 4, 1, 6, 0});
  t.leaves("--batch-size", &S::batch_size, adamw(), {0, 23, 24, 1000}, "all 23 images in one");
  const std::vector<std::uint64_t> seeds{1, 2, (std::uint64_t{1} << 32) + 1};
  t.changes("--seed", &S::seed, adamw(), seeds);
  t.changes("--seed", &S::seed, held_out_settings(), seeds);
  t.changes("--validation", &S::validation, adamw(), {0, 0.2, 0.4});
  t.changes("--patience", &S::patience, held_out_settings(), {0, 1});
  t.leaves("--patience", &S::patience, held_out_settings(), {0, 100}, "more than all epochs");
  t.leaves("--patience", &S::patience, adamw(), {0, 1}, "nothing is held out");
}

void add_augmentation_rows(Table& t) {
  const Augmentation affine{.degrees = {-20, 20},
                            .shear = {-5, 15},
                            .scale = {0.7f, 1.2f},
                            .translate = {-1, 1},
                            .alpha = 0.5f,
                            .sigma = 1,
                            .half = 1};
  const auto changes = [&](const std::string& flag, auto field, auto... values) {
    std::vector<Augmentation> augmentations;
    for (const auto& value : {values...}) augmentations.emplace_back(affine).*field = value;
    t.changes(flag, &S::augmentation, adamw(), augmentations);
  };
  using A = Augmentation;
  changes("--degrees", &A::degrees, UniformInterval{-20, 20}, UniformInterval{-10, 30},
          UniformInterval{5, 5});
  changes("--shear", &A::shear, UniformInterval{-20, 20}, UniformInterval{-20, 30});
  changes("--scale", &A::scale, UniformInterval{0.5f, 2}, UniformInterval{0.8f, 2});
  changes("--translate", &A::translate, UniformInterval{-1, 1}, UniformInterval{-1, 2});
  changes("--flip", &A::flip, 0.0f, 0.5f, 1.0f);
  changes("--half-angles", &A::half, std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{0});
  changes("--alpha", &A::alpha, 0.5f, 1.0f);
  changes("--sigma", &A::sigma, 1.0f, 2.0f);
  t.changes("--alpha", &S::augmentation, sgd(), {{}, {.alpha = 1}});
  t.changes("--degrees", &S::augmentation, held_out_settings(), {{}, {.degrees = {-30, 30}}});
}

const Table& table() {
  static const Table all = [] {
    Table t;
    add_network_rows(t);
    add_optimizer_rows(t);
    add_schedule_rows(t);
    add_data_rows(t);
    add_augmentation_rows(t);
    return t;
  }();
  return all;
}

// Values of size 1, which each of some 50 steps rounds and moves by the rate times a gradient that is off by
// 1e-6; the worst seen is 1e-6.
constexpr double kTolerance = 1e-5;
constexpr const char* kDerived = "--augment";  // from the flags that are its parameters
constexpr double kEffect = 1e-3;               // at least, of a setting that has one

TrainingResult run(Backend& backend, const TrainingSettings& settings) {
  TrainingObserver silent;
  return train(backend, settings, small_data(), silent);
}

void expect_score(const Score& found, const Score& expected) {
  EXPECT_EQ(found.images, expected.images);
  if (expected.images == 0) return;
  EXPECT_NEAR(found.loss, expected.loss, kTolerance);
  EXPECT_NEAR(found.accuracy, expected.accuracy, 1e-9);
}

void expect_as_defined(const TrainingResult& found, const TrainingSettings& settings) {
  const ReferenceTraining expected = reference_train(settings, small_data());
  EXPECT_TRUE(all_near(found.model.values, expected.values, kTolerance));
  EXPECT_FALSE(found.stopped);
  expect_score(found.test, expected.test);
  ASSERT_EQ(found.history.size(), expected.history.size());
  for (std::size_t e = 0; e < expected.history.size(); ++e) {
    SCOPED_TRACE(testing::Message() << "epoch " << e + 1);
    const EpochRecord &record = found.history[e], &defined = expected.history[e];
    EXPECT_EQ(record.epoch, defined.epoch);
    EXPECT_EQ(record.steps, defined.steps);
    EXPECT_NEAR(record.learning_rate, defined.learning_rate, 2 * kRounding * settings.rate);
    expect_score(record.train, defined.train);
    expect_score(record.validation, defined.validation);
  }
}

TEST(TrainingSettings, ChangeTheTrainingAsTheDefinitionSays) {
  const auto backend = std::move(make_backends().front());
  std::map<std::map<std::string, std::string>, TrainingResult> results;
  const auto result_of = [&](const TrainingSettings& settings) -> const TrainingResult& {
    const auto [place, is_new] = results.try_emplace(to_flags(settings));
    if (is_new) {
      place->second = run(*backend, settings);
      expect_as_defined(place->second, settings);
    }
    return place->second;
  };
  for (const Row& row : table().rows) {
    const auto before = to_flags(row.before), after = to_flags(row.after);
    SCOPED_TRACE(row.flag + " from " + before.at(row.flag) + " to " + after.at(row.flag) + " with " +
                 before.at("--optimizer") + " and " + before.at("--schedule"));
    for (const auto& [flag, text] : before) {
      if (flag == kDerived) continue;
      EXPECT_EQ(text != after.at(flag), flag == row.flag) << flag;
    }
    const TrainingResult &first = result_of(row.before), &second = result_of(row.after);
    const Floats &a = first.model.values, &b = second.model.values;
    if (!row.same.empty()) {
      EXPECT_EQ(a, b) << row.same;
      EXPECT_EQ(history_csv(first.history, false), history_csv(second.history, false)) << row.same;
    } else if (first.model.shape == second.model.shape) {
      double most = 0;
      for (std::size_t i = 0; i < a.size(); ++i) most = std::max<double>(most, std::abs(a[i] - b[i]));
      EXPECT_GT(most, kEffect);
    }
  }
}

// A new setting does not compile here until the table has rows for it.
TEST(TrainingSettings, EachHaveARowThatTheyChange) {
  [[maybe_unused]] const auto& [hidden, activation, initialization, dropout, label_smoothing, augmentation,
                                optimizer, rate, momentum, nesterov, weight_decay, schedule, warmup_epochs,
                                step_epochs, step_factor, max_norm, ema_decay, epochs, batch_size, shards,
                                seed, validation, patience] = S{};
  std::set<std::string> with_rows, all;
  for (const Row& row : table().rows)
    if (row.same.empty()) with_rows.insert(row.flag);
  for (const auto& [flag, text] : to_flags({})) all.insert(flag);
  with_rows.insert(kDerived);
  with_rows.insert("--shards");  // changes the last bits alone: shards_test.cpp
  EXPECT_EQ(with_rows, all);
  EXPECT_EQ(all.size(), 23u + 1 + 8) << "dropout is two of them, augmentation nine";
}

// All that an optimizer, a schedule, the loss and the data can be told, in a few trainings.
TEST(TrainingSettings, GiveTheSameTrainingOnEveryBackend) {
  std::vector<TrainingSettings> all{adamw(), sgd(), held_out_settings()};
  for (TrainingSettings& settings : all) settings.epochs = 2;
  all[0].label_smoothing = 0.1f;
  all[0].weight_decay = 0.2;
  all[0].schedule = ScheduleKind::one_cycle;
  all[1].nesterov = true;
  all[1].weight_decay = 0.1;
  all[1].schedule = ScheduleKind::cosine;
  all[1].warmup_epochs = 0.5;
  all[2].schedule = ScheduleKind::step;
  for (const std::size_t i : {0, 2}) all[i].max_norm = 0.75, all[i].ema_decay = 0.8;
  for (const auto& backend : make_backends())
    for (const TrainingSettings& settings : all) {
      SCOPED_TRACE(backend->name() + " with " + to_flags(settings).at("--schedule"));
      expect_as_defined(run(*backend, settings), settings);
    }
}

// An epoch of 1, 2, 5 and 118 steps; the last, smaller batch is one of them.
TEST(TrainingSettings, CountTheScheduleInSteps) {
  for (const ScheduleKind kind : kSchedules)
    for (const std::int64_t steps_per_epoch : {1, 2, 5, 118})
      for (const std::int64_t epochs : {1, 3, 10})
        for (const double warmup_epochs : {0.0, 0.004, 0.25, 0.5, 1.0, 1.3, 2.75, 20.0})
          for (const std::int64_t step_epochs : {1, 2, 4}) {
            TrainingSettings settings;
            settings.schedule = kind;
            settings.rate = 0.3;
            settings.epochs = epochs;
            settings.warmup_epochs = warmup_epochs;
            settings.step_epochs = step_epochs;
            settings.step_factor = 0.5;
            const Schedule schedule = optimizer_settings(settings, steps_per_epoch).schedule;
            for (std::int64_t step = 0; step < epochs * steps_per_epoch; ++step) {
              const double expected = defined_rate(settings, steps_per_epoch, step);
              ASSERT_NEAR(learning_rate(schedule, step), expected, 2 * kRounding * expected + 1e-16)
                  << to_flags(settings).at("--schedule") << ", step " << step << " of " << epochs << " times "
                  << steps_per_epoch << ", warm-up " << warmup_epochs << ", drops " << step_epochs;
            }
          }
}

// PyTorch's defaults for the constants that have no flag: betas 0.9 and 0.999, epsilon 1e-8.
TEST(TrainingSettings, ReachTheOptimizersOptions) {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw})
    for (const double momentum : {0.0, 0.5, 0.9})
      for (const bool nesterov : {false, true})
        for (const double weight_decay : {0.0, 0.01, 0.3}) {
          TrainingSettings settings;
          settings.optimizer = kind;
          settings.momentum = momentum;
          settings.nesterov = nesterov;
          settings.weight_decay = weight_decay;
          const OptimizerSettings result = optimizer_settings(settings, 5);
          EXPECT_EQ(result.kind, kind);
          EXPECT_EQ(result.sgd.momentum, static_cast<float>(momentum));
          EXPECT_EQ(result.sgd.nesterov, nesterov);
          EXPECT_EQ(result.sgd.weight_decay, static_cast<float>(weight_decay));
          EXPECT_EQ(result.adamw.beta1, 0.9f);
          EXPECT_EQ(result.adamw.beta2, 0.999f);
          EXPECT_EQ(result.adamw.epsilon, 1e-8f);
          EXPECT_EQ(result.adamw.weight_decay, static_cast<float>(weight_decay));
        }
}

}  // namespace
}  // namespace softwarp
