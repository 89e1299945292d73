#include "host/report/event_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <csignal>

#include "tests/data/temporary_files.h"
#include "tests/report/event_records.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

TEST(EventFile, ItsOracleIsCrc32c) { EXPECT_EQ(crc32c("123456789"), 0xe3069283u); }

TEST(EventFile, ReadsBackWithAnotherChecksumAndReader) {
  const TemporaryDirectory directory;
  EventFile file(directory.path(), 7);
  const Scalar first[] = {{"loss/train", 0.5}, {"accuracy/train", 0.1}};
  const Scalar second[] = {{"loss/train", std::nan("")}};
  file.add(8, first);
  file.add(std::int64_t{1} << 40, second);

  // Without closing it: somebody may be watching.
  const auto events = read_events(file.path());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_EQ(events[1].step, 7);
  EXPECT_EQ(events[1].session_status, 1);
  EXPECT_EQ(events[2].step, 8);
  EXPECT_EQ(events[2].scalars,
            (std::map<std::string, float>{{"loss/train", 0.5f}, {"accuracy/train", 0.1f}}));
  EXPECT_EQ(events[3].step, std::int64_t{1} << 40);
  EXPECT_TRUE(std::isnan(events[3].scalars.at("loss/train")));
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (const ReadEvent& event : events) EXPECT_NEAR(event.wall_time, now, 3600);
}

TEST(EventFile, ComesAfterTheOthersByName) {
  const TemporaryDirectory directory;
  directory.write("events.out.tfevents.9000000000.elsewhere.1", {});
  directory.write("events.out.tfevents.x", {});
  const EventFile first(directory.path(), 0), second(directory.path(), 0);
  EXPECT_EQ(first.path().filename().string().find("events.out.tfevents.9000000001."), 0u) << first.path();
  EXPECT_EQ(second.path().filename().string().find("events.out.tfevents.9000000002."), 0u) << second.path();
}

TEST(EventFile, SaysInOneLineWhyItCannotBeWritten) {
  const TemporaryDirectory directory;
  expect_error([&] { EventFile(directory.path() / "nowhere", 0); },
               {"nowhere/events.out.tfevents.", "expected a file that can be written", "No such file"});
}

// A limit on the size of files stands in for the disk's.
TEST(EventFile, LeavesNothingHalfWrittenAtItsBeginning) {
  const TemporaryDirectory directory;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{20, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error([&] { EventFile(directory.path(), 0); }, {"events.out.tfevents.", "File too large"});
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, previous);
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

}  // namespace
}  // namespace softwarp
