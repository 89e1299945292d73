// The program on the simulated device, and on a machine without one.

#include <gtest/gtest.h>
#include <softwarp/train.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

double accuracy_of(const std::filesystem::path& run) {
  std::ifstream file(run / "summary.json");
  return nlohmann::json::parse(file)["test_accuracy"];
}

TEST(CudaProgram, LearnsMnistFromEndToEnd) {
  const TemporaryDirectory directory;
  const ProgramRun run =
      run_simulated({"train", "--device", "cuda", "--epochs", "1", "--hidden", "128"}, directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out.find("device     cuda 0 Simulated sm_90, fp32"), 0u) << run.out;
  EXPECT_GE(accuracy_of(directory.path() / "softwarp-run"), 0.92);
  EXPECT_LE(accuracy_of(directory.path() / "softwarp-run"), 0.98);

  const ProgramRun evaluated =
      run_simulated({"evaluate", "softwarp-run", "--device", "cuda"}, directory.path());
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
}

TEST(CudaProgram, IsWhatAutoTakes) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_simulated(
      {"train", "--data", "digits", "--epochs", "2", "--hidden", "32", "--tune", "--precision", "tf32"},
      directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out.find("device     cuda 0 Simulated sm_90, tf32"), 0u) << run.out;
}

TEST(CudaProgram, ListsTheDevice) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_simulated({"devices"}, directory.path());
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_NE(
      run.out.find("cuda 0 Simulated sm_90 (compute capability 9.0, 132 multiprocessors, 8.0 GiB, driver for "
                   "CUDA 13.1), usable\n"),
      std::string::npos)
      << run.out;
}

// Calls whose failure changes nothing: giving back; waiting before that; forgetting an error; asking for more
// memory than is needed at once; a fused product, in whose place a plain one and our kernel do the same.
const std::vector<std::string> kTolerated = {"Destroy",          "cudaFree",
                                             "cudaGetLastError", "cudaStreamEndCapture",
                                             "cudaMalloc",       "cudaStreamSynchronize",
                                             "cublasLtMatmul",   "cudaEventSynchronize"};

// Whatever call fails, there is one line that says so and no file, or the checkpoint alone if the training
// was over; or all files, where it does not matter.
#if defined(__SANITIZE_ADDRESS__)
constexpr int kEvery = 3;  // a sanitizer slows everything down
#else
constexpr int kEvery = 1;
#endif

TEST(CudaProgram, EndsCleanlyWhicheverCallFails) {
  int refused = 0, tolerated = 0;
  for (int call = 0;; call += kEvery) {
    SCOPED_TRACE(testing::Message() << "call " << call);
    const TemporaryDirectory directory;
    setenv("SOFTWARP_FAULT_CALL", std::to_string(call).c_str(), 1);
    setenv("SOFTWARP_DEVICE", "86", 1);  // whose workspace is smaller, and sooner there
    const ProgramRun run = run_simulated({"train", "--device", "cuda", "--data", "digits", "--images", "40",
                                          "--batch-size", "32", "--hidden", "8", "--epochs", "1"},
                                         directory.path());
    unsetenv("SOFTWARP_FAULT_CALL");
    unsetenv("SOFTWARP_DEVICE");
    const auto fault_line = run.err.find("fault: ");
    ASSERT_NE(fault_line, std::string::npos) << run.err;
    const std::string failed = run.err.substr(fault_line + 7), said = run.err.substr(0, fault_line);
    if (failed == "\n") break;
    if (run.exit_code == 0) {
      EXPECT_TRUE(std::ranges::any_of(kTolerated, [&](const std::string& name) {
        return failed.find(name) != std::string::npos;
      })) << failed;
      EXPECT_EQ(said, "");
      EXPECT_GT(accuracy_of(directory.path() / "softwarp-run"), 0);
      ++tolerated;
      continue;
    }
    ASSERT_EQ(run.exit_code, 1) << run.err;
    EXPECT_EQ(said.find("softwarp: "), 0u) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    const auto run_directory = directory.path() / "softwarp-run";
    if (std::filesystem::exists(run_directory)) {
      EXPECT_EQ(read_checkpoint(run_directory / "last.safetensors").history.size(), 1u);
      EXPECT_FALSE(std::filesystem::exists(run_directory / "model.safetensors"));
    }
    ++refused;
  }
  EXPECT_GT(refused, 500 / kEvery);
  std::printf("%d calls made to fail: %d ended in an error, %d did not matter\n", refused + tolerated,
              refused, tolerated);
}

}  // namespace
}  // namespace softwarp
