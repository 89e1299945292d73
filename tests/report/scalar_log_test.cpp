#include "host/report/scalar_log.h"

#include <gtest/gtest.h>

#include "tests/data/temporary_files.h"
#include "tests/report/event_records.h"

namespace softwarp {
namespace {

EpochRecord epoch(std::int64_t number) {
  const auto x = static_cast<double>(number);
  return {.epoch = number,
          .steps = 10 * number,
          .learning_rate = x / 8,
          .train = {1 / x, x / 16, 100},
          .validation = {},
          .seconds = x,
          .samples_per_second = 1000 * x};
}

TEST(ScalarLog, HasAnEventForEachEpochAndTheTest) {
  const TemporaryDirectory directory;
  ScalarLog log(directory.path(), {});
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));  // nothing has been said yet
  TrainingResult result;
  result.history = {epoch(1), epoch(2)};
  result.history[1].validation = {0.25, 0.75, 10};
  for (const EpochRecord& record : result.history) log.write(record);
  result.test = {0.5, 0.875, 10};
  log.finish(result);

  const auto events = read_events(log.path());
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[1].step, 0);
  EXPECT_EQ(events[1].session_status, 1);
  using Scalars = std::map<std::string, float>;
  EXPECT_EQ(events[2].step, 10);
  EXPECT_EQ(events[2].scalars, (Scalars{{"loss/train", 1.0f},
                                        {"accuracy/train", 0.0625f},
                                        {"learning_rate", 0.125f},
                                        {"samples_per_second", 1000.0f}}));
  EXPECT_EQ(events[3].step, 20);
  EXPECT_EQ(events[3].scalars.at("loss/validation"), 0.25f);
  EXPECT_EQ(events[3].scalars.at("accuracy/validation"), 0.75f);
  EXPECT_EQ(events[4].step, 20);
  EXPECT_EQ(events[4].scalars, (Scalars{{"loss/test", 0.5f}, {"accuracy/test", 0.875f}}));
}

TEST(ScalarLog, TakesBackWhatComesAfterTheEpochItGoesOnFrom) {
  const TemporaryDirectory directory;
  ScalarLog log(directory.path(), {epoch(1), epoch(2)});
  log.write(epoch(3));
  const auto events = read_events(log.path());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1].session_status, 1);
  EXPECT_EQ(events[1].step, 20);
  EXPECT_EQ(events[2].step, 20);
  EXPECT_EQ(events[2].scalars.at("loss/train"), 0.5f);
  EXPECT_EQ(events[3].step, 30);
}

}  // namespace
}  // namespace softwarp
