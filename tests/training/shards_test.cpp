// Trainings in shards, by one process or several: the sum that they are defined by, and its independence of
// the number of processes.

#include "host/training/shards.h"

#include <gtest/gtest.h>
#include <softwarp/error.h>

#include <numeric>

#include "host/training/history.h"
#include "host/training/trainer.h"
#include "tests/backends.h"
#include "tests/training/reference_training.h"
#include "tests/training/thread_ranks.h"

namespace softwarp {
namespace {

TEST(Shards, CutABatchIntoNeighbouringPartsOfNearlyEqualSize) {
  const Shards eight(8, single_process());
  EXPECT_EQ(eight.end - eight.first, 8);
  for (const std::int64_t rows : {0, 1, 7, 8, 9, 23, 512}) {
    EXPECT_EQ(eight.begin(rows, 0), 0);
    EXPECT_EQ(eight.begin(rows, 8), rows);
    for (std::int64_t s = 0; s < 8; ++s) {
      const std::int64_t size = eight.begin(rows, s + 1) - eight.begin(rows, s);
      EXPECT_TRUE(size == rows / 8 || (rows % 8 > 0 && size == rows / 8 + 1)) << rows << " rows, shard " << s;
    }
  }
}

TEST(Shards, BelongToProcessesAsNeighbours) {
  ThreadRanks(4).run([](Communicator& ranks) {
    const Shards eight(8, ranks);
    EXPECT_EQ(eight.first, 2 * ranks.rank());
    EXPECT_EQ(eight.end, 2 * ranks.rank() + 2);
    const Shards one(1, ranks);
    EXPECT_EQ(one.count, 4) << "one a process";
    EXPECT_EQ(one.first, ranks.rank());
    for (const std::int64_t refused : {0, 2, 3, 6, 12, -4})
      EXPECT_THROW(Shards(refused, ranks), std::invalid_argument) << refused;
  });
}

// The sum of neighbours first: the definition.
float tree_sum(std::span<const float> values) {
  if (values.size() == 1) return values[0];
  const std::size_t half = values.size() / 2;
  return tree_sum(values.first(half)) + tree_sum(values.subspan(half));
}

std::vector<float> tree_sum(const std::vector<std::vector<float>>& all) {
  std::vector<float> sums(all.front().size()), column(all.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (std::size_t s = 0; s < all.size(); ++s) column[s] = all[s][i];
    sums[i] = tree_sum(column);
  }
  return sums;
}

std::vector<float> sum_from_left(const std::vector<std::vector<float>>& all) {
  std::vector<float> sums(all.front().size());
  for (const std::vector<float>& each : all)
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += each[i];
  return sums;
}

// More than the 2^20 values that are exchanged at a time.
TEST(SumTree, AddsRanksAsOneBinaryTreeOnEachOfThem) {
  constexpr std::int64_t kSize = (1 << 20) + 3;
  for (const int size : {1, 2, 4, 8}) {
    std::vector<std::vector<float>> given;
    for (int rank = 0; rank < size; ++rank)
      given.push_back(random_values(kSize, static_cast<unsigned>(rank + 1), 1.0f));
    const std::vector<float> expected = tree_sum(given);
    EXPECT_EQ(size > 2, expected != sum_from_left(given)) << "values that tell the orders apart";
    ThreadRanks(size).run([&](Communicator& ranks) {
      std::vector<float> values = given[static_cast<std::size_t>(ranks.rank())];
      ranks.sum_tree(values.data(), kSize);
      EXPECT_EQ(values, expected) << "rank " << ranks.rank() << " of " << size;
    });
  }
}

TrainingSettings settings_of(std::int64_t shards) {
  TrainingSettings settings = small_settings();
  settings.batch_size = 8;  // of 23 images: the last batch has 7
  settings.shards = shards;
  return settings;
}

TrainingResult run(Backend& backend, const TrainingSettings& settings, Communicator& communicator) {
  TrainingObserver silent;
  return train(backend, settings, small_data(), silent, {.communicator = &communicator});
}

// One step of SGD of rate 1, of all 23 images in shards of 2 or 3: the parameters move by the tree's sum.
// The trainer's step is a recorded graph on a GPU, and this one is not.
void expect_tree(Backend& backend) {
  TrainingSettings settings = settings_of(8);
  settings.batch_size = 0;
  settings.optimizer = OptimizerKind::sgd;
  settings.schedule = ScheduleKind::constant;
  settings.rate = 1;
  const ResidentDataset data(backend, small_data().train);
  const MlpShape shape{
      .inputs = 6, .hidden = settings.hidden, .classes = 3, .activation = settings.activation};
  Trainer trainer(backend, settings, shape, data);
  Mlp mlp(backend, shape);
  mlp.initialize(settings.initialization, settings.seed);
  const auto order = backend.make_array<std::int32_t>(23), targets = backend.make_array<std::int32_t>(3);
  backend.permutation(settings.seed, 0, order.data(), 23);
  const auto sums = backend.make_array<CrossEntropySums>(1);
  const auto result = backend.make_array<float>(mlp.layout().size);
  std::vector<std::vector<float>> gradients;
  for (std::int64_t s = 0; s < 8; ++s) {
    const std::int64_t first = 23 * s / 8, end = 23 * (s + 1) / 8;
    const auto state = upload(backend, std::vector{TrainingState{.seed = settings.seed, .position = first}});
    MlpWorkspace workspace(mlp, end - first, /*trains=*/true, settings.dropout);
    backend.gather_batch(data.view(), order.data(), state.data(), workspace.input(), targets.data());
    workspace.forward(state.data(), first);
    backend.softmax_cross_entropy(workspace.logits(), targets.data(),
                                  {.assume_all_valid = true, .batch_rows = 23}, nullptr, workspace.logits(),
                                  sums.data());
    workspace.backward(result.data(), state.data(), first);
    gradients.push_back(download(backend, result.data(), result.size()));
  }
  const auto moved = [&](const std::vector<float>& gradient) {
    std::vector<float> values = mlp.values();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= gradient[i];
    return values;
  };
  trainer.run_epoch([] { return true; });
  EXPECT_EQ(trainer.state().values, moved(tree_sum(gradients)));
  EXPECT_NE(trainer.state().values, moved(sum_from_left(gradients)));
}

TEST(ShardedTraining, AddsTheGradientsOfTheShardsAsOneBinaryTree) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    expect_tree(*backend);
  }
}

void expect_as_defined(const TrainingResult& result, const ReferenceTraining& expected) {
  constexpr double kTolerance = 1e-5;  // that of settings_test.cpp
  const auto expect_score = [](const Score& found, const Score& defined) {
    EXPECT_EQ(found.images, defined.images);
    EXPECT_NEAR(found.loss, defined.loss, kTolerance);
    EXPECT_NEAR(found.accuracy, defined.accuracy, 1e-9);
  };
  EXPECT_TRUE(all_near(result.model.values, expected.values, kTolerance));
  expect_score(result.test, expected.test);
  ASSERT_EQ(result.history.size(), expected.history.size());
  for (std::size_t e = 0; e < result.history.size(); ++e)
    expect_score(result.history[e].train, expected.history[e].train);
}

// With dropout, smoothing and deformed images, whose random numbers are those of the whole batch.
TEST(ShardedTraining, IsTheTrainingOfWholeBatchesButForRounding) {
  TrainingSettings settings = settings_of(1);
  settings.dropout = {.input = 0.2f, .hidden = 0.3f};
  settings.label_smoothing = 0.1f;
  settings.augmentation.degrees = {-20, 20};
  const ReferenceTraining expected = reference_train(settings, small_data());
  for (const std::int64_t shards : {1, 2, 4, 8}) {
    SCOPED_TRACE(shards);
    settings.shards = shards;
    for (const auto& backend : make_backends())
      expect_as_defined(run(*backend, settings, single_process()), expected);
  }
  settings.shards = 1;
  for (const int ranks : {2, 3, 8})  // of 8, one has no image of the last batch
    ThreadRanks(ranks).run([&](Communicator& communicator) {
      const auto own = make_cpu_backend(1);
      expect_as_defined(run(*own, settings, communicator), expected);
    });
}

std::vector<std::pair<const char*, TrainingSettings>> variants() {
  std::vector<std::pair<const char*, TrainingSettings>> all;
  const auto add = [&](const char* name, auto change) {
    change(all.emplace_back(name, settings_of(8)).second);
  };
  add("adamw", [](TrainingSettings&) {});
  add("sgd", [](TrainingSettings& s) { s.optimizer = OptimizerKind::sgd, s.momentum = 0.9; });
  add("relu", [](TrainingSettings& s) { s.activation = Activation::relu; });
  add("gelu", [](TrainingSettings& s) { s.activation = Activation::gelu; });
  add("no dropout", [](TrainingSettings& s) { s.dropout = {}; });
  add("augmented", [](TrainingSettings& s) { s.augmentation = {.degrees = {-20, 20}, .alpha = 1}; });
  add("validated", [](TrainingSettings& s) { s.validation = 0.3, s.patience = 2; });
  add("all in one batch", [](TrainingSettings& s) { s.batch_size = 0; });
  add("16 shards, some empty", [](TrainingSettings& s) { s.batch_size = 16, s.shards = 16; });
  return all;
}

TEST(ShardedTraining, GivesTheSameBitsOnAnyNumberOfRanks) {
  for (const auto& [name, settings] : variants()) {
    const auto backend = make_cpu_backend(1);
    const TrainingResult one = run(*backend, settings, single_process());
    for (const int size : {2, 4, 8})
      ThreadRanks(size).run([&, &name = name, &settings = settings](Communicator& ranks) {
        SCOPED_TRACE(testing::Message() << name << ", rank " << ranks.rank() << " of " << size);
        const auto own = make_cpu_backend(1);
        const TrainingResult result = run(*own, settings, ranks);
        EXPECT_EQ(result.model.values, one.model.values);
        EXPECT_EQ(history_csv(result.history, false), history_csv(one.history, false));
        EXPECT_EQ(result.test.loss, one.test.loss);
        EXPECT_EQ(result.classification.confusion, one.classification.confusion);
        EXPECT_EQ(result.classification.calibration_error, one.classification.calibration_error);
      });
  }
}

TEST(ShardedTraining, IsRefusedABatchThatTheShardsDoNotDivide) {
  const auto backend = make_cpu_backend(1);
  TrainingSettings settings = settings_of(8);
  settings.batch_size = 12;
  EXPECT_THROW(run(*backend, settings, single_process()), std::invalid_argument);
}

TEST(Ranks, OfOtherParametersAreRefused) {
  ThreadRanks(4).run([](Communicator& ranks) {
    const auto backend = make_cpu_backend(1);
    TrainingSettings settings = settings_of(8);
    settings.seed = ranks.rank() == 2 ? 7 : 1;
    try {
      run(*backend, settings, ranks);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("rank 2: expected the parameters of rank 0"), 0u)
          << error.what();
    }
  });
}

// Each rank keeps its own observer; one that stops ends the epoch on all.
TEST(Ranks, StopTogether) {
  class StopsAtItsSecondStep final : public TrainingObserver {
   public:
    explicit StopsAtItsSecondStep(bool stops) : stops_(stops) {}
    bool should_stop() override { return ++steps_ == 2 && stops_; }

   private:
    bool stops_;
    int steps_ = 0;
  };
  ThreadRanks(4).run([](Communicator& ranks) {
    const auto backend = make_cpu_backend(1);
    StopsAtItsSecondStep observer(ranks.rank() == 3);
    const TrainingResult result =
        train(*backend, settings_of(8), small_data(), observer, {.communicator = &ranks});
    EXPECT_TRUE(result.stopped);
    EXPECT_EQ(result.history.back().steps, 2);
  });
}

}  // namespace
}  // namespace softwarp
