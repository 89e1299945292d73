// A process that has trained forks, as Python's multiprocessing does: the child trains, too, with what its
// parent made and with what it makes itself.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <thread>

#include "host/training/trainer.h"
#include "tests/holds_in_child.h"

namespace softwarp {
namespace {

const DataPair& digits() {
  static const DataPair data = load_data("digits");
  return data;
}

TrainingSettings short_settings() {
  TrainingSettings settings;
  settings.hidden = {256, 64};  // wide enough for several threads
  settings.epochs = 1;
  return settings;
}

std::vector<float> trained(Backend& backend) {
  TrainingObserver silent;
  return train(backend, short_settings(), digits(), silent).model.values;
}

TEST(Fork, AChildTrainsAfterItsParentHas) {
  const auto backend = make_cpu_backend(2);
  const std::vector<float> expected = trained(*make_cpu_backend(1)), before = trained(*backend);
  EXPECT_TRUE(holds_in_child([&] { return trained(*backend) == expected; }));
  EXPECT_TRUE(holds_in_child([&] { return trained(*make_cpu_backend(2)) == expected; }));
  EXPECT_TRUE(holds_in_child([&] {
    bool right = false;
    std::thread([&] { right = trained(*backend) == expected; }).join();
    return right;
  }));
  EXPECT_EQ(trained(*backend), before);  // and the parent as before
}

// Layers plan their products for the threads that there are when they are made.
TEST(Fork, AChildGoesOnWithItsParentsLayers) {
  const auto backend = make_cpu_backend(2);
  const TrainingSettings settings = short_settings();
  const ResidentDataset data(*backend, digits().train);
  const MlpShape shape{.inputs = 64, .hidden = settings.hidden, .classes = 10};
  Trainer trainer(*backend, settings, shape, data);
  const auto run_epoch = [&] {
    trainer.run_epoch([] { return true; });
    return trainer.state().epochs == 2;
  };
  run_epoch();
  EXPECT_TRUE(holds_in_child(run_epoch));
  EXPECT_TRUE(run_epoch());
}

std::ptrdiff_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

// Run anew, so that this process has used no thread before it forks.
TEST(ForkDeathTest, AChildWhoseParentHasNotComputedHasItsThreads) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const bool holds = holds_in_child([] {
          trained(*make_cpu_backend(2));
          return threads_of_this_process() > 1;
        });
        std::exit(holds ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace softwarp
