// softwarp softmax, from outside.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using Arguments = std::vector<std::string>;
using reference::Row;

class SoftmaxProgram : public testing::Test {
 protected:
  ProgramRun run(Arguments more) {
    more.insert(more.begin(), {"softmax", "--device", "cpu"});
    return run_program(more, directory_.path());
  }
  std::string output_of(const Arguments& more) {
    const ProgramRun ended = run(more);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.out;
  }
  nlohmann::json json_of(Arguments more) {
    more.insert(more.begin(), {"--format", "json"});
    return nlohmann::json::parse(output_of(more));
  }
  void expect_refused(const Arguments& more, int exit_code, const std::string& part) {
    const ProgramRun ended = run(more);
    EXPECT_EQ(ended.exit_code, exit_code) << ended.out;
    EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }
  std::string write(const std::string& name, const std::string& text) {
    directory_.write(name, Bytes(text.begin(), text.end()));
    return name;
  }

  TemporaryDirectory directory_;
};

void expect_near(const nlohmann::json& found, const Row& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i].get<double>(), expected[i], 1e-14);
}

TEST_F(SoftmaxProgram, AnswersTheQuestion) {
  EXPECT_EQ(output_of({"1", "2", "3", "--jacobian"}),
            "x                      1           2           3\n"
            "softmax        0.0900306    0.244728    0.665241\n"
            "log_softmax     -2.40761    -1.40761   -0.407606\n"
            "jacobian, J_ij = dy_i/dx_j = y_i (delta_ij - y_j)\n"
            "  i = 0        0.0819251   -0.022033   -0.059892\n"
            "  i = 1        -0.022033    0.184836   -0.162803\n"
            "  i = 2        -0.059892   -0.162803    0.222695\n");
}

TEST_F(SoftmaxProgram, GivesWhatTheDefinitionGives) {
  const std::string file = write("rows.txt", "# two rows\n1, 2, 3\n\n-4,5e0,0.25 # the second\n");
  const auto json =
      json_of({"--input", file, "--jacobian", "--vjp", "1,-2,0.5", "--cross-entropy", "2,0", "--check"});
  const Row g{1, -2, 0.5};
  const std::vector<Row> x{{1, 2, 3}, {-4, 5, 0.25}};
  const std::size_t labels[] = {2, 0};
  for (std::size_t r = 0; r < 2; ++r) {
    const Row y = reference::softmax(x[r]);
    expect_near(json["softmax"][r], y);
    expect_near(json["log_softmax"][r], reference::log_softmax(x[r]));
    expect_near(json["vjp"][r], reference::softmax_backward(y, g));
    Row gradient = y;
    gradient[labels[r]] -= 1;
    expect_near(json["cross_entropy"]["gradient"][r], gradient);
    EXPECT_NEAR(json["cross_entropy"]["loss"][r].get<double>(), -reference::log_softmax(x[r])[labels[r]],
                1e-14);
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j)
        EXPECT_NEAR(json["jacobian"][r][i][j].get<double>(), y[i] * ((i == j ? 1 : 0) - y[j]), 1e-14);
  }
  EXPECT_EQ(json["check"]["compared"], 2 * (9 + 3 + 3));
  EXPECT_LT(json["check"]["largest_difference"].get<double>(), 1e-9);
}

TEST_F(SoftmaxProgram, IsTheSameOnASimulatedGpu) {
  const Arguments arguments{"softmax", "--format",   "json",  "0.5",   "-1",
                            "2",       "--jacobian", "--vjp", "3,2,1", "--check"};
  Arguments cuda = arguments;
  cuda.insert(cuda.end(), {"--device", "cuda"});
  const ProgramRun on_gpu = run_simulated(cuda, directory_.path());
  ASSERT_EQ(on_gpu.exit_code, 0) << on_gpu.err;
  const auto a = nlohmann::json::parse(on_gpu.out),
             b = json_of({"0.5", "-1", "2", "--jacobian", "--vjp", "3,2,1", "--check"});
  expect_near(a["softmax"][0], b["softmax"][0].get<Row>());
  expect_near(a["vjp"][0], b["vjp"][0].get<Row>());
}

TEST_F(SoftmaxProgram, ReadsAndWritesNumPysFiles) {
  output_of({"1", "2", "3", "--format", "npy", "--output", "y.npy"});
  EXPECT_EQ(
      output_of({"--input", "y.npy", "--format", "csv"}),
      output_of({"0.09003057317038045", "0.2447284710547976", "0.6652409557748218", "--format", "csv"}));
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  std::string bytes("\x93NUMPY\x01\0", 8);
  bytes += {static_cast<char>(header.size()), 0};
  bytes += header;
  const float values[] = {1, -2};
  const std::string elements(reinterpret_cast<const char*>(values), sizeof(values));
  write("f4.npy", bytes + elements);
  EXPECT_EQ(output_of({"--input", "f4.npy", "--format", "csv"}), output_of({"1", "-2", "--format", "csv"}));

  write("short.npy", bytes + elements.substr(1));
  expect_refused({"--input", "short.npy"}, 1, "short.npy: expected 1 x 2 elements of 4 bytes, found 7 bytes");
  write("cut.npy", bytes.substr(0, 30));
  expect_refused({"--input", "cut.npy"}, 1, "cut.npy: expected a .npy header");
  bytes.replace(bytes.find("<f4"), 3, "<c8");
  write("complex.npy", bytes + elements);
  expect_refused({"--input", "complex.npy"}, 1, "float64 (f2, f4, f8), found \"<c8\"");
}

TEST_F(SoftmaxProgram, WritesAsTheNameOfItsOutputSays) {
  const auto written = [&](Arguments more, const std::string& name) {
    more.insert(more.end(), {"1", "2", "3", "--output", name});
    EXPECT_EQ(output_of(more), "");
    std::ifstream file(directory_.path() / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(written({}, "y.npy"), written({"--format", "npy"}, "z"));
  EXPECT_EQ(written({"--log"}, "y.csv"), output_of({"1", "2", "3", "--log", "--format", "csv"}));
  EXPECT_EQ(nlohmann::json::parse(written({}, "y.json")), json_of({"1", "2", "3"}));
  for (const char* name : {"y.txt", "y", "npy", "y.npy.old"})
    EXPECT_EQ(written({}, name), output_of({"1", "2", "3"}));
  EXPECT_EQ(written({"--format", "csv"}, "csv.npy"), output_of({"1", "2", "3", "--format", "csv"}));
  expect_refused({"1", "2", "--jacobian", "--vjp", "1,2", "--output", "two.npy"}, 2,
                 "expected one result to write as npy");
}

TEST_F(SoftmaxProgram, TakesMaskedLogits) {
  const auto json = json_of({"--", "1", "-inf", "2"});
  EXPECT_EQ(json["softmax"][0][1], 0);
  EXPECT_EQ(json["log_softmax"][0][1], "-Infinity");  // JSON has no infinity
}

TEST_F(SoftmaxProgram, SaysWhatItCannotTake) {
  expect_refused({}, 2, "expected numbers, or --input FILE");
  expect_refused({"1", "x"}, 1, "logits: expected a number, found \"x\"");
  expect_refused({"1", "2", "--vjp", "1"}, 2, "--vjp: expected 2 numbers");
  expect_refused({"1", "2", "--cross-entropy", "2"}, 2,
                 "expected a label from 0 to 1, or -100 to ignore the row, found 2");
  expect_refused({"1", "2", "--format", "csv", "--jacobian", "--vjp", "1,2"}, 2, "expected one result");
  expect_refused({"--input", "nowhere"}, 1, "nowhere: expected a readable file, found No such file");
  expect_refused({"--input", write("ragged", "1 2\n3\n")}, 1,
                 "ragged, line 2: expected 2 columns, as in line 1, found 1");
  expect_refused({"--input", write("empty", "# nothing\n")}, 1, "empty: expected at least one number");
  const ProgramRun nan = run({"1", "nan", "--check"});
  EXPECT_EQ(nan.exit_code, 1);
  EXPECT_NE(nan.err.find("--check: expected differences of at most 1e-08, found nan"), std::string::npos)
      << nan.err;
}

TEST_F(SoftmaxProgram, ChecksMaskedAndHugeLogits) {
  for (const Arguments& logits :
       std::vector<Arguments>{{"1", "-inf"}, {"-inf", "0", "3"}, {"1e300", "0"}, {"1e20", "1"}}) {
    Arguments arguments{"--check", "--cross-entropy=0", "--jacobian", "--"};
    if (logits.front() == "-inf") arguments[1] = "--cross-entropy=1";
    arguments.insert(arguments.end(), logits.begin(), logits.end());
    const std::string out = output_of(arguments);
    EXPECT_EQ(out.find("nan"), std::string::npos) << out;
  }
}

TEST_F(SoftmaxProgram, TellsWhatIsNoNumberApartInJson) {
  const auto json = json_of({"--", "1", "-inf"});
  EXPECT_EQ(json["x"].dump(), R"([[1.0,"-Infinity"]])");
  EXPECT_EQ(json["log_softmax"].dump(), R"([[0.0,"-Infinity"]])");
  EXPECT_EQ(json_of({"--", "nan", "1"})["softmax"].dump(), R"([["NaN","NaN"]])");
  EXPECT_EQ(json_of({"--", "1", "inf"})["x"].dump(), R"([[1.0,"Infinity"]])");
}

TEST_F(SoftmaxProgram, IgnoresRowsAsPyTorchDoes) {
  // An infinite loss has no slope.
  output_of({"--check", "--cross-entropy=1", "--input", write("masked.csv", "1,-inf\n")});
  output_of({"1000", "0", "1e6", "--cross-entropy=1", "--check"});
  const std::string rows = write("rows.csv", "1,2,3\n4,5,7\n");
  const auto json = json_of({"--input", rows, "--cross-entropy=-100,2", "--reduction", "mean", "--check"});
  EXPECT_EQ(json["cross_entropy"]["loss"][0], 0);
  EXPECT_EQ(json["cross_entropy"]["gradient"][0].dump(), "[0.0,0.0,0.0]");
  const auto alone = json_of({"4", "5", "7", "--cross-entropy=2"});
  EXPECT_EQ(json["cross_entropy"]["gradient"][1], alone["cross_entropy"]["gradient"][0]);
  expect_refused({"1", "2", "3", "--cross-entropy=-1"}, 2, "or -100 to ignore the row");
}

}  // namespace
}  // namespace softwarp
