// Trainings that end before their time, by a signal or early stopping, and what --resume makes of them.

#include <gtest/gtest.h>
#include <signal.h>
#include <softwarp/train.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

std::string last_line(const std::string& text) {
  const auto end = text.rfind('\n', text.size() - 2);
  return text.substr(end == std::string::npos ? 0 : end + 1);
}

class Ended : public testing::Test {
 protected:
  // Under nohup it is ignored, here and, if nothing is done, in the program that is run.
  Ended() { ::signal(SIGHUP, SIG_DFL); }

  ProgramRun run(const Arguments& arguments, const Stop& stop = {}) {
    return run_program(arguments, directory_.path(), stop);
  }
  ProgramRun resume(const Arguments& more) {
    Arguments arguments{"train", "--device", "cpu", "--threads", "1", "--resume", "run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  nlohmann::json summary() const {
    std::ifstream file(directory_.path() / "run" / "summary.json");
    return nlohmann::json::parse(file);
  }
  TemporaryDirectory directory_;
};

TEST_F(Ended, EachSignalEndsItInOrderAndNamesTheCommandThatGoesOn) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const ProgramRun ended =
        run(small_training({"--epochs", "100000", "--report-every", "1", "--output", "run", "--overwrite"}),
            {.interrupt_after = "epoch 2/", .signal = signal});
    EXPECT_EQ(ended.exit_code, 128 + signal) << ended.err;
    EXPECT_EQ(last_line(ended.out).find("softwarp train --resume run goes on after epoch "), 0u) << ended.out;
    EXPECT_TRUE(fs::exists(directory_.path() / "run" / "model.safetensors"));
    EXPECT_EQ(run({"evaluate", "run"}).exit_code, 0);
  }
}

TEST_F(Ended, InItsFirstEpochThereIsNothingToGoOnFrom) {
  const ProgramRun ended =
      run(small_training({"--data", "mnist", "--hidden", "512", "--batch-size", "4", "--output", "run"}),
          {.interrupt_after = "output ", .signal = SIGTERM});
  EXPECT_EQ(ended.exit_code, 128 + SIGTERM) << ended.err;
  EXPECT_NE(last_line(ended.out).find("no checkpoint yet"), std::string::npos) << ended.out;
}

TEST_F(Ended, EarlyStoppingNamesTheBestEpoch) {
  const ProgramRun ended =
      run(small_training({"--epochs", "200", "--validation", "0.2", "--patience", "2", "--schedule",
                          "constant", "--output", "run", "--report-every", "1000"}));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const std::int64_t epochs = summary()["epochs"], best = summary()["model_epoch"];
  EXPECT_EQ(summary()["stopped_early"], true);
  EXPECT_EQ(epochs, best + 2);
  const auto says = [](const ProgramRun& run, const std::string& part) {
    EXPECT_NE((run.out + run.err).find(part), std::string::npos) << run.out << run.err;
  };
  says(ended, "stopped early after epoch " + std::to_string(epochs));
  says(ended, "the model is that of epoch " + std::to_string(best));
  says(ended, "\nepoch " + std::to_string(epochs) + "/200  loss");  // the last has its line

  const ProgramRun same = resume({});
  EXPECT_EQ(same.exit_code, 0);
  says(same, "nothing to train: stopped early");
  const ProgramRun more = resume({"--epochs", "300"});
  EXPECT_EQ(more.exit_code, 1);
  says(more, "it goes on with a --patience above 2, or 0");
  const ProgramRun fewer = resume({"--epochs", "1"});
  EXPECT_EQ(fewer.exit_code, 1);
  says(fewer, "--epochs: expected at least " + std::to_string(epochs));
  const ProgramRun on = resume({"--epochs", std::to_string(epochs + 2), "--patience", "0"});
  EXPECT_EQ(on.exit_code, 0) << on.err;
  EXPECT_EQ(summary()["epochs"], epochs + 2);
}

TEST_F(Ended, ResumeTakesTheCheckpointItselfAndSaysWhenAllIsDone) {
  ASSERT_EQ(run(small_training({"--output", "run"})).exit_code, 0);
  EXPECT_NE(resume({}).out.find("nothing to train: all 2 epochs are done"), std::string::npos);
  EXPECT_NE(resume({"--epochs", "2"}).out.find("nothing to train: all 2 epochs are done"), std::string::npos);
  const ProgramRun on =
      run({"train", "--device", "cpu", "--resume", "run/last.safetensors", "--epochs", "3"});
  EXPECT_EQ(on.exit_code, 0) << on.err;
  EXPECT_EQ(summary()["epochs"], 3);
  EXPECT_NE(on.out.find("the one-cycle of 3 epochs has it, no longer of 2"), std::string::npos) << on.out;
  fs::copy_file(directory_.path() / "run" / "last.safetensors", directory_.path() / "kept.safetensors");
  EXPECT_NE(run({"train", "--resume", "kept.safetensors"}).out.find("output     softwarp-run\n"),
            std::string::npos);
}

TEST_F(Ended, NotesSayWhatAScheduleDoesNotDo) {
  const auto out = [&](const Arguments& more) { return run(small_training(more)).out; };
  EXPECT_NE(
      out({"--warmup-epochs", "100", "--schedule", "cosine"}).find("warm-up of 100 epochs does not end"),
      std::string::npos);
  EXPECT_NE(out({"--warmup-epochs", "1"}).find("--warmup-epochs is not used"), std::string::npos);
  EXPECT_NE(out({"--label-smoothing", "0.1"}).find("with label smoothing"), std::string::npos);
}

TEST_F(Ended, TheTableNamesWhatTheOptimizerIsLimitedAndAveragedBy) {
  const auto out = [&](const Arguments& more) { return run(small_training(more)).out; };
  const std::string plain = "optimizer  adamw, one-cycle learning rate 0.003";
  EXPECT_NE(out({}).find(plain + "\n"), std::string::npos);
  EXPECT_NE(out({"--max-norm", "2"}).find(plain + ", max-norm 2\n"), std::string::npos);
  EXPECT_NE(out({"--ema-decay", "0.9"}).find(plain + ", moving average with decay 0.9\n"), std::string::npos);
  EXPECT_NE(out({"--max-norm", "1.5", "--ema-decay", "0.9"})
                .find(plain + ", max-norm 1.5, moving average with decay 0.9\n"),
            std::string::npos);
}

}  // namespace
}  // namespace softwarp
