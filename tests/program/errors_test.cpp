// The program refuses bad input with one line that says what and where, an exit code, and no output file.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

using Arguments = std::vector<std::string>;

void expect_refusal(const Arguments& arguments, int exit_code, const std::vector<std::string>& parts,
                    const TemporaryDirectory& directory = {}) {
  const ProgramRun run = run_program(arguments, directory.path());
  SCOPED_TRACE(run.err);
  EXPECT_EQ(run.exit_code, exit_code);
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1);
  for (const std::string& part : parts) EXPECT_NE(run.err.find(part), std::string::npos) << "lacks " << part;
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "softwarp-run"));
}

TEST(ProgramErrors, WrongFlagsEndWithTwo) {
  expect_refusal({"fly"}, 2, {"fly"});
  expect_refusal({"trian"}, 2, {"did you mean train?"});
  expect_refusal({"tra"}, 2, {"expected a command, found tra; did you mean train?"});
  expect_refusal({"help", "trian"}, 2, {"command: expected train", "found trian"});
  expect_refusal({"train", "--hidden", "12", "3"}, 2, {"unexpected 3; did you mean --hidden 12,3?"});
  expect_refusal({"gradcheck", "--data", "digits", "--inputs", "3"}, 2, {"--inputs: expected no --data"});
  expect_refusal({"train", "--con\nfig"}, 2, {"unexpected --con?fig"});
  expect_refusal({"train", "--epoch", "3"}, 2, {"--epoch", "did you mean --epochs?"});
  expect_refusal({"train", "--epoch", "3", "--hiden", "9"}, 2, {"unexpected --epoch 3 --hiden 9; did"});
  expect_refusal({"train", "--epochs", "0"}, 2, {"--epochs", "0"});
  expect_refusal({"train", "--epochs", "many"}, 2, {"--epochs", "many"});
  expect_refusal({"train", "--batch-size", "-1"}, 2, {"--batch-size", "-1"});
  expect_refusal({"train", "--lr", "0"}, 2, {"--lr", "0"});
  expect_refusal({"train", "--lr", "nan"}, 2, {"--lr", "nan"});
  expect_refusal({"train", "--hidden", "12,-3"}, 2, {"--hidden", "-3"});
  expect_refusal({"train", "--hidden", "12,0"}, 2, {"--hidden"});
  expect_refusal({"train", "--dropout", "1"}, 2, {"--dropout", "1"});
  expect_refusal({"train", "--optimizer", "lion"}, 2, {"--optimizer", "lion", "adamw"});
  expect_refusal({"train", "--schedule", "flat"}, 2, {"--schedule", "flat", "one-cycle"});
  expect_refusal({"train", "--nesterov", "--optimizer", "sgd"}, 2, {"--nesterov", "--momentum"});
  expect_refusal({"train", "--momentum", "0.9"}, 2, {"--momentum", "--optimizer sgd"});
  expect_refusal({"train", "--patience", "3"}, 2, {"--patience", "--validation"});
  for (const char* norm : {"-1", "1e-07", "10000000", "nan"})
    expect_refusal({"train", "--max-norm", norm}, 2,
                   {"--max-norm: expected 0 or a number from 1e-06 to", norm});
  for (const char* decay : {"-0.1", "1e-50", "1", "0.9999999"})
    expect_refusal({"train", "--ema-decay", decay}, 2,
                   {"--ema-decay: expected 0 or a number from 1e-06 to 0.999999, found", decay});
  expect_refusal({"train", "--threads", "-2"}, 2, {"--threads", "-2"});
  expect_refusal({"evaluate", "--split", "all"}, 2, {"--split", "all"});
}

TEST(ProgramErrors, WholeNumbersAreCheckedWithTheirWholeRange) {
  for (const char* seed : {"-1", "18446744073709551616", "1e3", "abc", "0x10", "", "1.0"})
    expect_refusal({"train", "--seed", seed}, 2, {"--seed", "from 0 to 18446744073709551615, found"});
  expect_refusal({"gradcheck", "--seed", "-1"}, 2, {"--seed", "-1"});
  expect_refusal({"train", "--epochs", "1e3"}, 2, {"--epochs", "expected a whole number from", "1e3"});
}

TEST(ProgramErrors, WholeNumbersAreDecimalAndTheLastCounts) {
  const TemporaryDirectory directory;
  const auto out = [&](const Arguments& arguments) { return run_program(arguments, directory.path()).out; };
  EXPECT_EQ(out({"gradcheck", "--seed", "010", "--hidden", "08", "--json"}),
            out({"gradcheck", "--seed", "10", "--hidden", "8", "--json"}));
  EXPECT_EQ(out({"gradcheck", "--seed", "3", "--seed", "010", "--json"}),
            out({"gradcheck", "--seed", "10", "--json"}));
  EXPECT_NE(out({"gradcheck", "--seed", "18446744073709551615"}), "");
}

// Of each command, also where C++ or CLI11 prints.
TEST(ProgramErrors, AnOutputThatCannotBeWrittenEndsWithOne) {
  const TemporaryDirectory directory;
  for (const std::string command :
       {"--help", "--version", "train --help", "devices", "softmax 1 2 3", "softmax 1 2 3 --format npy",
        "softmax 1 nan --check", "gradcheck", "completion bash",
        "train --data digits --epochs 1 --output run --overwrite", "evaluate run",
        "predict --model run --index 0 --json"})
    for (const std::string to : {">/dev/full", ">&-", "| true"}) {
      const std::string line = "set -o pipefail; ulimit -c 0; (sleep 0.3; exec \"" SOFTWARP_PROGRAM "\" " +
                               command + ") " + to + " 2>error";
      const std::string piped =
          "{ sleep 0.3; \"" SOFTWARP_PROGRAM "\" " + command + " 2>error; } | true; exit ${PIPESTATUS[0]}";
      const std::string script = to == "| true" ? piped : line;
      const std::string shell = "cd '" + directory.path().string() + "'; bash -c '" + script + "'";
      EXPECT_EQ(WEXITSTATUS(std::system(shell.c_str())), 1) << command << to;
      std::ifstream file(directory.path() / "error");
      const std::string error{std::istreambuf_iterator<char>(file), {}};
      EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << command << to << ": " << error;
      EXPECT_EQ(error.find("softwarp: "), 0u) << command << to << ": " << error;
    }
  EXPECT_TRUE(std::filesystem::exists(directory.path() / "run" / "model.safetensors"));
}

// A closed output's number would be that of the next file that is opened.
TEST(ProgramErrors, AClosedOutputGoesToNoOtherFile) {
  const TemporaryDirectory directory;
  const std::string line =
      "cd '" + directory.path().string() +
      "'; \"" SOFTWARP_PROGRAM
      "\" train --device cpu --data digits --hidden 8 --epochs 2 --tensorboard --output run";
  EXPECT_EQ(WEXITSTATUS(std::system((line + " >&- 2>&-").c_str())), 1);
  for (const auto& entry : std::filesystem::directory_iterator(directory.path() / "run")) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    for (const char* text : {"output     run", "epoch 1/2", "softwarp: "})
      EXPECT_EQ(content.find(text), std::string::npos) << entry.path();
  }
}

// A standard error that cannot be written changes no exit code.
TEST(ProgramErrors, MayHaveNowhereToGo) {
  const TemporaryDirectory directory;
  const auto exit_code = [&](const std::string& arguments) {
    const std::string line = "cd '" + directory.path().string() + "'; \"" SOFTWARP_PROGRAM "\" " + arguments;
    return WEXITSTATUS(std::system(line.c_str()));
  };
  for (const std::string to : {" 2>&-", " 2>/dev/full"}) {
    EXPECT_EQ(exit_code("softmax 1 x" + to), 1) << to;
    EXPECT_EQ(exit_code("fly" + to), 2) << to;
    EXPECT_EQ(exit_code("softmax 1 2 >/dev/full" + to), 1) << to;
    EXPECT_EQ(exit_code("train --device cpu --data digits --hidden 8 --epochs 1 >progress" + to), 0) << to;
    EXPECT_EQ(exit_code("evaluate >answer" + to), 0) << to;  // which names the newest run there
  }
}

TEST(ProgramNames, MayBeNoUtf8) {
  const TemporaryDirectory directory;
  const std::string name = "bad\xff";
  std::filesystem::copy(SOFTWARP_SOURCE_DIR "/data/digits", directory.path() / name);
  const Arguments arguments{"train",    "--device", "cpu",      "--data", name,
                            "--epochs", "1",        "--output", "run\xfe"};
  const ProgramRun run = run_program(arguments, directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const ProgramRun on =
      run_program({"train", "--device", "cpu", "--resume", "run\xfe", "--epochs", "2"}, directory.path());
  EXPECT_EQ(on.exit_code, 0) << on.err;
  std::ifstream file(directory.path() / "run\xfe" / "summary.json");
  const std::string summary{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(summary.find("bad\xef\xbf\xbd"), std::string::npos) << summary;
  EXPECT_NE(summary.find("\"dropout\": 0.2,"), std::string::npos) << summary;
}

TEST(ProgramErrors, MissingDataAndModelsEndWithOne) {
  expect_refusal({"train", "--data", "nowhere"}, 1, {"nowhere", "expected mnist", "found"});
  expect_refusal({"evaluate", "nothing.safetensors"}, 1,
                 {"nothing.safetensors: expected a training's directory or a model", "softwarp train"});
  expect_refusal({"train", "--images", "60001"}, 1, {"--images", "60000", "60001"});
}

TEST(ProgramErrors, AnOutputThatIsNoDirectoryIsRefusedBeforeTraining) {
  const TemporaryDirectory directory;
  directory.write("file", {});
  expect_refusal({"train", "--device", "cpu", "--output", "file"}, 1, {"file", "expected a directory"},
                 directory);
}

// Each malformed data set ends the program before it makes its output directory.
TEST(ProgramErrors, MalformedDataSetsEndWithOne) {
  const Bytes images = idx_file({2, 1, 3}, {1, 2, 3, 4, 5, 60});
  const Bytes labels = idx_file({2}, {0, 1});
  const auto refuse = [&](const std::string& file, const Bytes& bytes,
                          const std::vector<std::string>& parts) {
    const TemporaryDirectory directory;
    directory.write("train-images-idx3-ubyte", images);
    directory.write("train-labels-idx1-ubyte", labels);
    directory.write("t10k-images-idx3-ubyte", images);
    directory.write("t10k-labels-idx1-ubyte", labels);
    directory.write(file, bytes);
    expect_refusal({"train", "--data", "."}, 1, parts, directory);
  };
  const std::string file = "train-images-idx3-ubyte", label_file = "train-labels-idx1-ubyte";
  refuse(file, labels, {file, "expected", "0x00000803", "0x00000801"});
  refuse(file, idx_file({2, 1, 3}, {1}), {file, "expected 6 bytes", "found 1"});
  refuse(file, images + Bytes{0}, {file, "expected 6 bytes", "found more"});
  refuse(file, gzip(images) + Bytes{7}, {file, "gzip"});
  refuse(file, idx_file({0, 1, 3}, {}), {file, "at least one", "0x1x3"});
  refuse(file, idx_file({1u << 31, 1u << 31, 4}, {}), {file, "at most"});
  refuse(label_file, idx_file({3}, {0, 1, 0}), {label_file, "expected 2 labels", "found 3"});
  refuse("t10k-labels-idx1-ubyte", idx_file({2}, {0, 2}), {"t10k-labels-idx1-ubyte", "label", "2"});
}

TEST(ProgramErrors, CudaIsRefusedWhereThereIsNone) {
  const TemporaryDirectory directory;
  const ProgramRun devices = run_program({"devices"}, directory.path());
  ASSERT_EQ(devices.exit_code, 0);
  EXPECT_EQ(devices.out.find("cpu ("), 0u) << devices.out;
  if (devices.out.find("no CUDA device") == std::string::npos) GTEST_SKIP() << "there is a CUDA device";
  expect_refusal({"train", "--device", "cuda"}, 1, {"no CUDA device"});
}

TEST(ProgramHelp, NamesEveryFlagWithItsDefault) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_program({"train", "--help"}, directory.path());
  EXPECT_EQ(run.exit_code, 0);
  for (const char* part :
       {"--hidden", "512,256", "--optimizer", "adamw", "--lr", "0.003", "--seed", "--config"})
    EXPECT_NE(run.out.find(part), std::string::npos) << part;
  EXPECT_EQ(run_program({"--version"}, directory.path()).out, "softwarp 0.2.0\n");
}

}  // namespace
}  // namespace softwarp
