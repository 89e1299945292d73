// softwarp gradcheck, from outside.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

using Arguments = std::vector<std::string>;

TEST(GradcheckProgram, SaysThatTheGradientIsRight) {
  const TemporaryDirectory directory;
  const Arguments shape = {"gradcheck", "--hidden", "5,4", "--inputs", "6", "--activation", "relu"};
  const ProgramRun cpu = run_program(shape, directory.path());
  EXPECT_EQ(cpu.exit_code, 0) << cpu.err;
  EXPECT_NE(cpu.out.find("network  6-5-4-5, relu, 84 parameters"), std::string::npos) << cpu.out;
  EXPECT_NE(cpu.out.find("the gradient is right"), std::string::npos) << cpu.out;
  Arguments on_gpu = shape;
  on_gpu.insert(on_gpu.end(), {"--device", "cuda"});
  const ProgramRun simulated = run_simulated(on_gpu, directory.path());
  EXPECT_EQ(simulated.exit_code, 0) << simulated.err;
  EXPECT_NE(simulated.out.find("fc3.bias"), std::string::npos) << simulated.out;
}

TEST(GradcheckProgram, TakesADataSet) {
  const TemporaryDirectory directory;
  const ProgramRun ended = run_program(
      {"gradcheck", "--data", "digits", "--hidden", "0", "--samples", "20", "--json"}, directory.path());
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["network"], "64-10, tanh");
  ASSERT_EQ(json["tensors"].size(), 2);
  EXPECT_EQ(json["tensors"][0]["compared"], 20);
  EXPECT_EQ(json["tensors"][1]["compared"], 10);
  EXPECT_LT(json["worst"]["relative_difference"], 1e-5);
  EXPECT_GT(json["worst"]["relative_difference"], 0);
}

TEST(GradcheckProgram, RefusesWhatIsNoNetwork) {
  const TemporaryDirectory directory;
  const auto expect_refused = [&](Arguments more, int exit_code, const std::string& part) {
    more.insert(more.begin(), "gradcheck");
    const ProgramRun ended = run_program(more, directory.path());
    EXPECT_EQ(ended.exit_code, exit_code) << ended.out;
    EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
  };
  expect_refused({"--hidden", "5,0"}, 2, "--hidden: expected widths above 0, or 0 alone");
  expect_refused({"--classes", "0"}, 2, "--classes: expected a whole number from 2");
  expect_refused({"--classes", "1"}, 2, "--classes: expected a whole number from 2");
  expect_refused({"--activation", "softplus"}, 2, "softplus");
  expect_refused({"--data", "digits", "--inputs", "3"}, 2, "--inputs: expected no --data beside it");
  expect_refused({"--data", "digits", "--batch-size", "99999"}, 1,
                 "--batch-size: expected at most the 1617 training images of digits, found 99999");
}

}  // namespace
}  // namespace softwarp
