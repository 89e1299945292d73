// The program on the simulated device, and on a machine without one.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

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
  EXPECT_EQ(run.out.find("device   cuda 0 Simulated sm_90, fp32"), 0u) << run.out;
  EXPECT_GE(accuracy_of(directory.path() / "softwarp-run"), 0.92);
  EXPECT_LE(accuracy_of(directory.path() / "softwarp-run"), 0.98);

  const ProgramRun evaluated =
      run_simulated({"evaluate", "softwarp-run", "--device", "cuda"}, directory.path());
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
}

TEST(CudaProgram, IsWhatAutoTakes) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_simulated(
      {"train", "--data", "digits", "--epochs", "2", "--tune", "--precision", "tf32"}, directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out.find("device   cuda 0 Simulated sm_90, tf32"), 0u) << run.out;
}

TEST(CudaProgram, ListsTheDevice) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_simulated({"devices"}, directory.path());
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_NE(
      run.out.find("cuda 0 Simulated sm_90 (compute capability 9.0, 132 multiprocessors, 8.0 GiB, driver for "
                   "CUDA 13.0), usable\n"),
      std::string::npos)
      << run.out;
}

}  // namespace
}  // namespace softwarp
