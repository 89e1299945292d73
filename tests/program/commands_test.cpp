// The commands take models alike, and show how they are called.

#include <gtest/gtest.h>

#include <algorithm>

#include "host/io/number_table.h"
#include "host/model/onnx.h"
#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

class Commands : public testing::Test {
 protected:
  ProgramRun run(const Arguments& arguments) { return run_program(arguments, directory_.path()); }
  std::string output_of(const Arguments& arguments) {
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_EQ(ended.err, "");
    return ended.out;
  }
  TemporaryDirectory directory_;
};

TEST_F(Commands, TakeModelsAlike) {
  output_of(small_training({"--output", "run"}));
  output_of(small_training({"--output", "other", "--seed", "2"}));
  const std::string digit = "P2 4 4 9 9 9 9 9 9 0 9 9 9 0 9 9 9 9 9 9";
  directory_.write("digit.pgm", Bytes(digit.begin(), digit.end()));

  const std::string evaluated = output_of({"evaluate", "run"});
  EXPECT_NE(output_of({"evaluate", "other"}), evaluated);
  EXPECT_EQ(output_of({"evaluate", "--model", "run"}), evaluated);
  EXPECT_EQ(output_of({"evaluate", "--model", "run/model.safetensors"}), evaluated);

  const std::string predicted = output_of({"predict", "--index", "0", "digit.pgm", "--model", "run"});
  EXPECT_NE(output_of({"predict", "other", "--index", "0", "digit.pgm"}), predicted);
  EXPECT_EQ(output_of({"predict", "run", "digit.pgm", "--index", "0"}), predicted);
  EXPECT_EQ(output_of({"predict", "digit.pgm", "run", "--index", "0"}), predicted);
  EXPECT_EQ(output_of({"predict", "--index", "0", "run/model.safetensors", "digit.pgm"}), predicted);

  const ProgramRun none = run({"predict", "run"});
  EXPECT_EQ(none.err.find("softwarp: pictures: expected files, or --index N"), 0u) << none.err;
}

TEST_F(Commands, ExportsAModel) {
  output_of(small_training({"--output", "run"}));
  EXPECT_EQ(
      output_of({"export", "run", "--onnx", "net.onnx"}),
      "wrote net.onnx: input [batch, 64], pixels divided by 16, to logits and probabilities [batch, 10]\n");
  EXPECT_EQ(read_all(directory_.path() / "net.onnx"),
            to_onnx(read_model(directory_.path() / "run" / "model.safetensors")));
  const ProgramRun again = run({"export", "run", "--onnx", "net.onnx"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_EQ(again.err,
            "softwarp: net.onnx: expected no file of that name, found one (--overwrite replaces it)\n");
  output_of({"export", "--model", "run", "--onnx", "net.onnx", "--overwrite"});
  EXPECT_EQ(run({"export", "run"}).exit_code, 2);
  const ProgramRun nowhere = run({"export", "run", "--onnx", "no/net.onnx"});
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_NE(nowhere.err.find("no/net.onnx"), std::string::npos) << nowhere.err;
}

TEST_F(Commands, ShowHowTheyAreCalled) {
  const std::string help = output_of({"--help"});
  EXPECT_NE(help.find("\n  train "), std::string::npos) << help;
  EXPECT_EQ(output_of({"-h"}), help);
  EXPECT_EQ(output_of({"help"}), help);
  const ProgramRun alone = run({});
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_EQ(alone.out, help);
  for (const char* command :
       {"train", "evaluate", "predict", "export", "softmax", "gradcheck", "devices", "completion"}) {
    const std::string of = output_of({command, "--help"});
    EXPECT_NE(of.find(std::string("Usage: softwarp ") + command), std::string::npos) << of;
    EXPECT_EQ(output_of({"help", command}), of);
    EXPECT_EQ(output_of({command, "-h"}), of);
  }
}

}  // namespace
}  // namespace softwarp
