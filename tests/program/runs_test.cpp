// Each training has a directory of its own, and none is lost or taken for another without a word.

#include <gtest/gtest.h>
#include <softwarp/mlp.h>

#include <algorithm>
#include <fstream>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::int64_t event_files_in(const fs::path& directory) {
  return std::count_if(fs::directory_iterator(directory), {}, [](const auto& entry) {
    return entry.path().filename().string().starts_with("events.out.tfevents.");
  });
}

class Runs : public testing::Test {
 protected:
  ProgramRun run(const Arguments& arguments) { return run_program(arguments, directory_.path()); }
  std::string trained(const Arguments& more) {
    const ProgramRun ended = run(small_training(more));
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.out;
  }
  void expect_refused(const Arguments& arguments, const std::string& part) {
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 1) << ended.out;
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }
  fs::path path(const std::string& name) const { return directory_.path() / name; }
  TemporaryDirectory directory_;
};

TEST_F(Runs, TakeTheNextFreeDirectoryAndNameIt) {
  EXPECT_NE(trained({}).find("output     softwarp-run\n"), std::string::npos);
  const std::string first = bytes_of(path("softwarp-run/model.safetensors"));
  EXPECT_NE(trained({"--seed", "2"}).find("output     softwarp-run-2\n"), std::string::npos);
  std::ofstream(path("softwarp-run-3")) << "a file";
  EXPECT_NE(trained({"--seed", "3"}).find("output     softwarp-run-4\n"), std::string::npos);
  EXPECT_EQ(bytes_of(path("softwarp-run/model.safetensors")), first);
}

TEST_F(Runs, AreReplacedOnlyWhenAsked) {
  trained({"--output", "run"});
  const std::string first = bytes_of(path("run/model.safetensors"));
  expect_refused(small_training({"--output", "run"}),
                 "run: expected a directory without an earlier training");
  EXPECT_EQ(bytes_of(path("run/model.safetensors")), first);
  trained({"--output", "run", "--overwrite", "--seed", "2"});
  EXPECT_NE(bytes_of(path("run/model.safetensors")), first);
  fs::remove(path("run/model.safetensors"));  // what is left of a run is one, too
  expect_refused(small_training({"--output", "run"}), "--overwrite");
  trained({"--output", "other"});
  expect_refused({"train", "--resume", "run", "--output", "other"}, "other: expected a directory without");
}

TEST_F(Runs, LeaveNoCheckpointToTheNext) {
  trained({"--output", "run", "--validation", "0.2"});
  trained({"--output", "run", "--overwrite", "--checkpoint-every", "0", "--seed", "2"});
  EXPECT_FALSE(fs::exists(path("run/last.safetensors")) || fs::exists(path("run/best.safetensors")));
  expect_refused({"train", "--resume", "run"}, "last.safetensors");
}

TEST_F(Runs, LeaveNoCheckpointToOneThatDiverges) {
  trained({"--output", "run"});
  const ProgramRun diverged =
      run(small_training({"--output", "run", "--overwrite", "--lr", "1e12", "--optimizer", "sgd"}));
  EXPECT_EQ(diverged.exit_code, 1);
  EXPECT_FALSE(fs::exists(path("run/last.safetensors")) || fs::exists(path("run/model.safetensors")));
}

TEST_F(Runs, AreNotLostToOneThatDoesNotBegin) {
  trained({"--output", "run"});
  expect_refused(small_training({"--output", "run", "--overwrite", "--images", "100000"}), "--images");
  EXPECT_TRUE(fs::exists(path("run/model.safetensors")) && fs::exists(path("run/last.safetensors")));
}

TEST_F(Runs, DoNotMixTheirEvents) {
  trained({"--output", "run", "--tensorboard"});
  trained({"--output", "run", "--tensorboard", "--overwrite"});
  EXPECT_EQ(event_files_in(path("run")), 1);
  trained({"--output", "run", "--overwrite"});
  EXPECT_EQ(event_files_in(path("run")), 0);
}

TEST_F(Runs, RefuseFilesThatCouldNotBeWrittenBeforeTraining) {
  for (const char* name : {"model.safetensors", "last.safetensors", "summary.json"}) {
    fs::create_directories(path("a") / name);
    expect_refused(small_training({"--output", "a", "--overwrite"}), std::string(name) + ": expected a file");
    fs::remove_all(path("a"));
    fs::create_directory(path("a"));
    fs::create_symlink("nowhere/model", path("a") / name);
    expect_refused(small_training({"--output", "a", "--overwrite"}), std::string(name) + ": expected a file");
    fs::remove_all(path("a"));
  }
}

TEST_F(Runs, AreEvaluatedFromTheNewestOn) {
  trained({});
  trained({"--seed", "2"});
  const auto newest = [&](const Arguments& arguments) {
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.err;
  };
  EXPECT_EQ(newest({"evaluate"}), "the model is that of the newest run, softwarp-run-2\n");
  EXPECT_EQ(newest({"predict", "--index", "0"}), "the model is that of the newest run, softwarp-run-2\n");
  EXPECT_EQ(newest({"evaluate", "softwarp-run"}), "");
  EXPECT_EQ(run({"train", "--device", "cpu", "--resume", "softwarp-run", "--epochs", "3"}).exit_code, 0);
  EXPECT_EQ(newest({"evaluate", "--json"}), "the model is that of the newest run, softwarp-run\n");
}

TEST_F(Runs, ThatHaveNoModelYetSayHowToGoOn) {
  trained({"--output", "run"});
  fs::remove(path("run/model.safetensors"));
  expect_refused({"evaluate", "run"}, "softwarp train --resume run goes on");
  expect_refused({"predict", "--model", "run", "--index", "0"}, "softwarp train --resume run goes on");
  expect_refused({"evaluate", "run/last.safetensors"}, "found a training's checkpoint");
  fs::rename(path("run"), path("it's a run"));  // in a shell's words
  expect_refused({"evaluate", "it's a run"}, R"(softwarp train --resume 'it'\''s a run' goes on)");
}

// A data set whose pixels stop at 1: its range is guessed aloud, or chosen, and a run that is resumed keeps
// it.
TEST(RunsOfOneRange, SayTheGuessedRangeOfPixelsAndKeepTheChosenOne) {
  const TemporaryDirectory directory;
  for (const std::string part : {"train", "t10k"}) {
    directory.write(part + "-images-idx3-ubyte", idx_file({4, 1, 3}, {0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0}));
    directory.write(part + "-labels-idx1-ubyte", idx_file({4}, {0, 1, 0, 1}));
  }
  const auto trained = [&](const Arguments& more) {
    Arguments arguments{"train", "--device", "cpu", "--data", ".", "--hidden", "2", "--batch-size", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, directory.path());
  };
  const ProgramRun guessed = trained({"--epochs", "1", "--output", "guessed"});
  EXPECT_EQ(guessed.exit_code, 0);
  EXPECT_EQ(guessed.err, "softwarp: .: no pixel is above 1, taken as 0 to 1 (--max-pixel decides)\n");
  EXPECT_EQ(read_model(directory.path() / "guessed/model.safetensors").input.max_pixel, 1);

  const ProgramRun chosen = trained({"--epochs", "1", "--output", "chosen", "--max-pixel", "255"});
  EXPECT_EQ(chosen.err, "");
  EXPECT_EQ(read_model(directory.path() / "chosen/model.safetensors").input.max_pixel, 255);

  const ProgramRun resumed = trained({"--resume", "chosen", "--epochs", "2"});
  EXPECT_EQ(resumed.exit_code, 0);
  EXPECT_EQ(resumed.err, "");
  EXPECT_EQ(read_model(directory.path() / "chosen/model.safetensors").input.max_pixel, 255);
  const ProgramRun other = trained({"--resume", "chosen", "--epochs", "3", "--max-pixel", "1"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_EQ(other.err, "softwarp: --max-pixel: expected 255, with which chosen began, found 1\n");
}

}  // namespace
}  // namespace softwarp
