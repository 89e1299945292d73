// The config files in data/, and the script that trains a committee.

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

TEST(Recipes, AreTrainings) {
  const TemporaryDirectory directory;
  int recipes = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(SOFTWARP_SOURCE_DIR "/data")) {
    if (entry.path().extension() != ".toml") continue;
    SCOPED_TRACE(entry.path().string());
    const ProgramRun ended = run_program(
        {"train", "--config", entry.path().string(), "--device", "cpu", "--data", "mnist", "--images", "64",
         "--epochs", "1", "--checkpoint-every", "0", "--output", entry.path().stem().string()},
        directory.path());
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    ++recipes;
  }
  EXPECT_EQ(recipes, 5);
}

// data/mnist/committee.sh with a program that notes its arguments and leaves a run behind.
class CommitteeScript : public testing::Test {
 protected:
  CommitteeScript() {
    std::ofstream(directory_.path() / "softwarp") << R"sh(#!/bin/sh
echo "$*" >>calls
[ "$1" = train ] || exit 0
for run; do :; done  # the last argument
mkdir -p "$run"
[ "$run" != "$(cat interrupted)" ] || { echo '  "stopped": true' >"$run/summary.json"; exit 130; }
echo '  "stopped": false' >"$run/summary.json"
)sh";
    fs::permissions(directory_.path() / "softwarp", fs::perms::owner_all);
    interrupt("none");
  }
  void interrupt(const std::string& run) const { std::ofstream(directory_.path() / "interrupted") << run; }
  // The calls of the program, and the exit code as the last line.
  std::vector<std::string> run() const {
    fs::remove(directory_.path() / "calls");
    const std::string command = "cd '" + directory_.path().string() +
                                "' && '" SOFTWARP_SOURCE_DIR "/data/mnist/committee.sh' ./softwarp";
    const int status = std::system(command.c_str());
    std::ifstream file(directory_.path() / "calls");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    lines.push_back(std::to_string(WEXITSTATUS(status)));
    return lines;
  }

  const std::string evaluation_ =
      "evaluate --data mnist committee-1 committee-2 committee-3 committee-4 committee-5 committee-6 "
      "committee-7";
  TemporaryDirectory directory_;
};

TEST_F(CommitteeScript, TrainsSevenNetworksAndMeasuresThemTogether) {
  const auto calls = run();
  ASSERT_EQ(calls.size(), 9u);
  for (int seed = 1; seed <= 7; ++seed) {
    const std::string& call = calls[static_cast<std::size_t>(seed - 1)];
    const std::string number = std::to_string(seed);
    EXPECT_EQ(call, "train --config " SOFTWARP_SOURCE_DIR "/data/mnist/committee.toml --seed " + number +
                        " --output committee-" + number);
  }
  EXPECT_EQ(calls[7], evaluation_);
  EXPECT_EQ(calls[8], "0");
  EXPECT_EQ(run(), (std::vector<std::string>{evaluation_, "0"})) << "all are whole";
}

TEST_F(CommitteeScript, GoesOnWithTheNetworkThatWasInterrupted) {
  interrupt("committee-3");
  EXPECT_EQ(run().back(), "130");
  interrupt("none");
  std::ofstream(directory_.path() / "committee-3" / "last.safetensors") << "";
  const auto calls = run();
  ASSERT_EQ(calls.size(), 7u);
  EXPECT_EQ(calls[0], "train --resume committee-3");
  EXPECT_EQ(calls[1].substr(calls[1].size() - 11), "committee-4");
  EXPECT_EQ(calls[5], evaluation_);
}

}  // namespace
}  // namespace softwarp
