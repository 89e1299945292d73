// Trainings that are cut off, by kill, by a full disk, by the user, and gone on with: to the same bits as if
// nothing had happened.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <random>
#include <tuple>

#include "host/training/run_directory.h"
#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Dropout, moments, an average, a best epoch and a schedule: all that a checkpoint has to hold.
Arguments training(int epochs) {
  return {"train",
          "--device",
          "cpu",
          "--threads",
          "1",
          "--data",
          "digits",
          "--hidden",
          "24",
          "--epochs",
          std::to_string(epochs),
          "--validation",
          "0.2",
          "--ema-decay",
          "0.95",
          "--batch-size",
          "64",
          "--output",
          "run"};
}
Arguments resuming() { return {"train", "--device", "cpu", "--threads", "1", "--resume", "run"}; }

// The files that an uninterrupted training run leaves.
struct Outcome {
  std::string model, metrics, best;
  bool operator==(const Outcome&) const = default;
};
Outcome outcome_in(const fs::path& directory) {
  const fs::path run = directory / "run";
  return {bytes_of(run / "model.safetensors"), bytes_of(run / "metrics.csv"),
          bytes_of(run / "best.safetensors")};
}
Outcome undisturbed(const Arguments& arguments) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_program(arguments, directory.path());
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const Outcome outcome = outcome_in(directory.path());
  EXPECT_FALSE(outcome.model.empty() || outcome.metrics.empty() || outcome.best.empty());
  return outcome;
}

// The run directory after whatever happened: there is no checkpoint, or one that reads; and the training goes
// on from it, or anew, to the outcome.
void expect_to_recover(const fs::path& directory, const Arguments& arguments, const Outcome& outcome) {
  const fs::path last = directory / "run" / "last.safetensors";
  const bool has_checkpoint = fs::exists(last);
  if (has_checkpoint) {
    ASSERT_NO_THROW(std::ignore = read_checkpoint(last));
  }
  Arguments anew = arguments;
  anew.emplace_back("--overwrite");  // of a best.safetensors without a checkpoint
  const ProgramRun again = run_program(has_checkpoint ? resuming() : anew, directory);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.err, "");
  EXPECT_TRUE(outcome_in(directory) == outcome);
  EXPECT_TRUE(fs::exists(directory / "run" / "report.html"));
  for (const auto& entry : fs::directory_iterator(directory / "run"))
    EXPECT_NE(entry.path().filename().string()[0], '.') << entry.path() << " was left behind";
}

#if defined(__SANITIZE_ADDRESS__)
constexpr int kKills = 30;  // a sanitizer slows everything down
#else
constexpr int kKills = 100;
#endif

TEST(Resume, SurvivesAKillAtAnyMoment) {
  using Seconds = std::chrono::duration<double>;
  const Arguments arguments = training(30);
  auto start = std::chrono::steady_clock::now();
  const Outcome outcome = undisturbed(arguments);
  double whole = Seconds(std::chrono::steady_clock::now() - start).count();

  std::mt19937 random(1);
  std::uniform_real_distribution<double> share(0.01, 1);
  int runs = 0, killed = 0, resumed = 0;
  for (; killed < kKills; ++runs) {
    ASSERT_LT(runs, 10 * kKills) << "only " << killed << " killed before their end";
    const TemporaryDirectory directory;
    const double seconds = whole * share(random);
    SCOPED_TRACE(testing::Message() << "killed after " << seconds << " s of " << whole);
    start = std::chrono::steady_clock::now();
    if (run_program(arguments, directory.path(), {.kill_after = seconds}).exit_code == 128 + SIGKILL) {
      ++killed;
      resumed += fs::exists(directory.path() / "run" / "last.safetensors");
    } else {  // the machine is faster than it was
      whole = Seconds(std::chrono::steady_clock::now() - start).count();
    }
    expect_to_recover(directory.path(), arguments, outcome);
    if (HasFailure()) return;
  }
  EXPECT_GT(resumed, kKills / 5);
  std::printf("%d of %d runs killed before their end, %d of them resumed\n", killed, runs, resumed);
}

// With E = 0 killed at, otherwise told E by, every call of the file system in turn.
void walk(int error, int end) {
  Arguments arguments = training(3);
  arguments.push_back("--tensorboard");
  const Outcome outcome = undisturbed(arguments);
  int calls = 0, refused = 0;
  for (int call = 0; call == 0 || call < calls; ++call) {
    SCOPED_TRACE(testing::Message() << "call " << call << " of " << calls);
    const TemporaryDirectory directory;
    setenv("SOFTWARP_FILE_FAULT", (std::to_string(call) + " " + std::to_string(error)).c_str(), 1);
    const ProgramRun run = run_on_failing_files(arguments, directory.path());
    unsetenv("SOFTWARP_FILE_FAULT");
    if (call == 0) {
      setenv("SOFTWARP_FILE_FAULT", "1000000 0", 1);
      const ProgramRun counted = run_on_failing_files(arguments, TemporaryDirectory().path());
      unsetenv("SOFTWARP_FILE_FAULT");
      const auto at = counted.err.find("file calls: ");
      ASSERT_NE(at, std::string::npos) << counted.err;
      calls = std::stoi(counted.err.substr(at + 12));
      ASSERT_GT(calls, 100);
    }
    if (run.exit_code == 0) {
      // The failed call did not matter: a directory was not synced, or a lock was not given back.
      EXPECT_NE(error, 0);
      EXPECT_TRUE(outcome_in(directory.path()) == outcome) << run.err;
    } else {
      ++refused;
      ASSERT_EQ(run.exit_code, end) << run.err;
      if (error != 0) {
        EXPECT_EQ(run.err.find("softwarp: run"), 0u) << run.err;
        EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 2) << run.err;  // and the count
      }
    }
    expect_to_recover(directory.path(), arguments, outcome);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(refused, calls / 2);
  std::printf("%d calls, %d of which ended the program\n", calls, refused);
}

TEST(Resume, SurvivesAKillAtEveryCallOfTheFileSystem) { walk(0, 128 + SIGKILL); }
TEST(Resume, SurvivesADiskThatIsFullAtAnyCall) { walk(ENOSPC, 1); }

// Or a crash of the machine would leave a file that is empty where there was one before.
TEST(Resume, RenamesNoFileBeforeItIsOnTheDisk) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_on_failing_files(training(2), directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err.find("file calls: "), 0u) << run.err;
}

TEST(Resume, GoesOnAfterCtrlC) {
  Arguments arguments = training(500);
  arguments.insert(arguments.end(), {"--report-every", "1"});
  const TemporaryDirectory directory;
  const ProgramRun run = run_program(arguments, directory.path(), {.interrupt_after = "epoch 3/"});
  ASSERT_EQ(run.exit_code, 128 + SIGINT) << run.err;
  ASSERT_NE(run.out.find("stopped in epoch"), std::string::npos) << run.out;
  ASSERT_EQ(run_program(resuming(), directory.path()).exit_code, 0);
  EXPECT_TRUE(outcome_in(directory.path()) == undisturbed(arguments));
}

class ResumeOfThree : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(run_program(training(3), directory_.path()).exit_code, 0); }
  ProgramRun resume_with(const Arguments& more) {
    Arguments arguments = resuming();
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, directory_.path());
  }
  TemporaryDirectory directory_;
};

TEST_F(ResumeOfThree, TakesMoreEpochsAndAnotherOutput) {
  const std::string before = bytes_of(directory_.path() / "run" / "last.safetensors");
  const ProgramRun run = resume_with({"--epochs", "5", "--output", "other", "--seed", "1"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("resuming after epoch 3"), std::string::npos) << run.out;
  EXPECT_EQ(read_checkpoint(directory_.path() / "other" / "last.safetensors").history.size(), 5u);
  EXPECT_EQ(bytes_of(directory_.path() / "run" / "last.safetensors"), before);
}

TEST_F(ResumeOfThree, RefusesOtherSettingsAndNamesThem) {
  const ProgramRun run = resume_with({"--lr", "0.5", "--hidden", "24,12", "--optimizer", "sgd"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.err,
            "softwarp: run/last.safetensors: cannot be resumed with other settings: expected --hidden 24, "
            "found 24,12; --lr 0.003, found 0.5; --optimizer adamw, found sgd\n");
  EXPECT_NE(resume_with({"--data", "mnist"}).err.find("mnist: expected the training images that run began"),
            std::string::npos);
}

// Of a version that had no --augment.
TEST_F(ResumeOfThree, TakesSettingsThatACheckpointDoesNotKnowAsTheirDefaults) {
  const fs::path last = directory_.path() / "run" / "last.safetensors";
  Checkpoint checkpoint = read_checkpoint(last);
  for (const char* flag : {"--augment", "--degrees", "--shear", "--scale", "--translate", "--flip",
                           "--half-angles", "--alpha", "--sigma"})
    EXPECT_EQ(checkpoint.settings.erase(flag), 1u) << flag;
  write_checkpoint(last, checkpoint);
  const ProgramRun refused = resume_with({"--epochs", "4", "--augment", "affine"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("expected --augment none, found affine"), std::string::npos) << refused.err;
  const ProgramRun run = resume_with({"--epochs", "4"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_F(ResumeOfThree, RefusesOtherImages) {
  Checkpoint checkpoint = read_checkpoint(directory_.path() / "run" / "last.safetensors");
  checkpoint.data_checksum ^= 1;
  write_checkpoint(directory_.path() / "run" / "last.safetensors", checkpoint);
  const ProgramRun run = resume_with({});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.err.find("digits: expected the training images that run began with"), std::string::npos)
      << run.err;
}

// The file has the form of a checkpoint, but no softwarp wrote it.
TEST_F(ResumeOfThree, RefusesAForgedCheckpoint) {
  const fs::path last = directory_.path() / "run" / "last.safetensors";
  const Checkpoint good = read_checkpoint(last);
  const auto expect_refused = [&](auto forge, const std::string& part) {
    Checkpoint forged = good;
    forge(forged);
    write_checkpoint(last, forged);
    const ProgramRun run = resume_with({"--epochs", "4"});
    EXPECT_EQ(run.exit_code, 1) << run.out;
    EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  };
  expect_refused([](Checkpoint& c) { c.settings["--lr"] = "-1"; }, "--lr");
  expect_refused([](Checkpoint& c) { c.settings["--hidden"] = "25"; }, "layers");
  expect_refused([](Checkpoint& c) { c.settings["--optimizer"] = "sgd"; }, "moments");
  expect_refused([](Checkpoint& c) { c.settings["--config"] = "x"; }, "--config");
  expect_refused([](Checkpoint& c) { c.settings["--batch-size"] = "40"; }, "history");
  expect_refused([](Checkpoint& c) { c.first_moment.clear(); }, "moments");
  expect_refused([](Checkpoint& c) { c.history.front().steps = 1; }, "history");
}

TEST(TwoTrainings, DoNotWriteToOneDirectory) {
  const TemporaryDirectory directory;
  {
    const RunDirectory first(directory.path() / "run");
    const ProgramRun second = run_program(training(1), directory.path());
    EXPECT_EQ(second.exit_code, 1);
    EXPECT_EQ(second.err,
              "softwarp: run: expected a directory that no other training writes to, found one that is at "
              "work there\n");
  }
  EXPECT_EQ(run_program(training(1), directory.path()).exit_code, 0);
}

}  // namespace
}  // namespace softwarp
