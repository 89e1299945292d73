// Networks that other programs saved, from outside: evaluate, predict and train --weights.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "host/model/model_file.h"
#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

const std::string kRelu =
    "net.safetensors: does not say its activation, taken as relu after each hidden layer (--activation "
    "decides)\n";

class ForeignModel : public testing::Test {
 protected:
  ForeignModel() {
    EXPECT_EQ(run({"train", "--device", "cpu", "--threads", "1", "--data", "digits", "--hidden", "16,8",
                   "--epochs", "20", "--dropout", "0", "--output", "run"})
                  .exit_code,
              0);
    model_ = read_model(path("run/model.safetensors"));
  }

  fs::path path(const std::string& name) const { return directory_.path() / name; }
  ProgramRun run(const Arguments& arguments) { return run_program(arguments, directory_.path()); }
  std::string out_of(const Arguments& arguments, const std::string& err = "") {
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_EQ(ended.err, err);
    return ended.out;
  }
  void expect_refused(const Arguments& arguments, const std::string& part) {
    const ProgramRun ended = run(arguments);
    EXPECT_NE(ended.exit_code, 0) << ended.out;
    EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }

  // The trained network as another program would save it: 0.weight, 2.weight, ...
  void save(const std::string& name, const char* dtype = "F32") {
    SafetensorsFile file = to_safetensors(model_);
    file.metadata = {{"format", "pt"}};
    for (Tensor& tensor : file.tensors) {
      const int layer = tensor.name[2] - '1';
      tensor.name = std::to_string(2 * layer) + tensor.name.substr(3);
      if (std::strcmp(dtype, "BF16") != 0) continue;
      std::vector<std::byte> upper;  // of each float
      for (std::size_t i = 0; i < tensor.data.size(); i += 4)
        upper.insert(upper.end(), {tensor.data[i + 2], tensor.data[i + 3]});
      tensor.dtype = dtype, tensor.data = upper;
    }
    write_safetensors(path(name), file);
  }

  TemporaryDirectory directory_;
  Model model_;
};

TEST_F(ForeignModel, IsEvaluatedAsTheSameNetworkOfOurs) {
  save("net.safetensors");
  const std::string ours = out_of({"evaluate", "run"});
  EXPECT_EQ(out_of({"evaluate", "net.safetensors", "--data", "digits"}, "softwarp: " + kRelu), ours);
  EXPECT_EQ(out_of({"evaluate", "net.safetensors", "--data", "digits", "--activation", "relu"}), ours);
  EXPECT_NE(out_of({"evaluate", "net.safetensors", "--data", "digits", "--activation", "sigmoid"}), ours);
  EXPECT_EQ(out_of({"predict", "--model", "net.safetensors", "--index", "0,3", "--data", "digits",
                    "--activation", "relu"}),
            out_of({"predict", "--model", "run", "--index", "0,3"}));
}

TEST_F(ForeignModel, MayBeOfHalfTheBits) {
  save("half.safetensors", "BF16");
  const std::string half =
      out_of({"evaluate", "half.safetensors", "--data", "digits", "--activation", "relu"});
  const auto accuracy = [](const std::string& out) { return std::stod(out.substr(out.find(' '))); };
  EXPECT_NEAR(accuracy(half), accuracy(out_of({"evaluate", "run"})), 3);
}

// Trained on (x - mean) / deviation: W' = W deviation, b' = b + W mean, so that it computes the same.
TEST_F(ForeignModel, MayHaveNormalizedItsInputs) {
  const std::string ours = out_of({"evaluate", "run"});
  const ParameterLayout layout(model_.shape);
  for (std::int64_t r = 0; r < 16; ++r)
    for (std::int64_t c = 0; c < 64; ++c) {
      float& w = model_.values[static_cast<std::size_t>(layout.weight(0).offset + r * 64 + c)];
      model_.values[static_cast<std::size_t>(layout.bias(0).offset + r)] += w * 0.25f;
      w *= 0.5f;
    }
  save("net.safetensors");
  const Arguments plain = {"evaluate", "net.safetensors", "--data", "digits", "--activation", "relu"};
  Arguments normalized = plain;
  normalized.insert(normalized.end(), {"--normalize", "0.25,0.5"});
  const auto accuracy = [](const std::string& out) { return std::stod(out.substr(out.find(' '))); };
  EXPECT_NEAR(accuracy(out_of(normalized)), accuracy(ours), 0.6);  // rounding may move one image of 180
  EXPECT_GT(accuracy(ours), accuracy(out_of(plain)) + 5);
  expect_refused({"evaluate", "run", "--normalize", "0.25,0.5"}, "--normalize: expected none");
  expect_refused({"evaluate", "net.safetensors", "--data", "digits", "--normalize", "0.5,0"},
                 "--normalize: expected");
  expect_refused({"evaluate", "net.safetensors", "--data", "digits", "--normalize", "0.5"}, "--normalize");
  expect_refused({"train", "--data", "digits", "--normalize", "0.25,0.5"}, "--normalize: expected --weights");
}

TEST_F(ForeignModel, SeesPicturesAsItsDataAre) {
  save("net.safetensors");
  const std::string picture = "P2 10 10 9\n" + [] {
    std::string pixels;
    for (int i = 0; i < 100; ++i)
      pixels += i / 10 > 1 && i / 10 < 8 && i % 10 > 4 && i % 10 < 7 ? "0 " : "9 ";
    return pixels;
  }();
  std::ofstream(path("one.pgm")) << picture;
  const Arguments see = {"predict", "--model", "net.safetensors", "--activation", "relu", "one.pgm"};
  Arguments framed = see;
  framed.insert(framed.end(), {"--data", "digits"});
  EXPECT_EQ(out_of(framed), out_of({"predict", "--model", "run", "one.pgm"}));
  EXPECT_NE(out_of(see,
                   "softwarp: net.safetensors: does not say its data; pictures are scaled as a whole to 8x8 "
                   "(--data DATA frames them as its images are)\n")
                .find("scaled as a whole"),
            std::string::npos);
}

TEST_F(ForeignModel, NeedsWhatItsFileDoesNotSay) {
  save("net.safetensors");
  expect_refused({"evaluate", "net.safetensors", "--activation", "relu"}, "(--data DATA names it)");
  expect_refused({"predict", "--model", "net.safetensors", "--activation", "relu", "--index", "0"},
                 "(--data DATA names it)");
  expect_refused({"evaluate", "net.safetensors", "--activation", "relu", "--data", "mnist"},
                 "net.safetensors: expected images of 64 pixels, found 28x28 in mnist");
  expect_refused({"evaluate", "run", "--activation", "gelu"},
                 "--activation: expected relu, as run/model.safetensors says, found gelu");
  model_.shape = {.inputs = 6, .hidden = {}, .classes = 2};
  model_.values.assign(static_cast<std::size_t>(ParameterLayout(model_.shape).size), 1);
  save("six.safetensors");
  expect_refused({"predict", "--model", "six.safetensors", "one.pgm"},
                 "six.safetensors: expected the inputs of a square image, found 6");
}

TEST_F(ForeignModel, IsWhereATrainingMayBegin) {
  save("net.safetensors");
  const Arguments begin = {"train", "--device", "cpu", "--threads", "1", "--data", "digits", "--epochs", "2"};
  const auto from = [&](const Arguments& more, const std::string& output) {
    Arguments arguments = begin;
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--output", output});
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return read_model(path(output) / "model.safetensors").values;
  };
  const auto ours = from({"--weights", "run"}, "a");
  EXPECT_EQ(from({"--weights", "net.safetensors"}, "b"), ours);
  EXPECT_EQ(from({"--weights", "run/model.safetensors", "--hidden", "16,8"}, "c"), ours);
  EXPECT_NE(from({"--hidden", "16,8"}, "d"), ours);

  DataPair data = load_data("digits");
  TrainingSettings settings;
  settings.hidden = {16, 8}, settings.epochs = 2;
  TrainingObserver silent;
  EXPECT_EQ(train(*make_cpu_backend(1), settings, data, silent, {.weights = &model_}).model.values, ours);
  settings.hidden = {16};
  EXPECT_THROW(train(*make_cpu_backend(1), settings, data, silent, {.weights = &model_}),
               std::invalid_argument);
}

TEST_F(ForeignModel, IsNotNeededAgainToGoOn) {
  save("net.safetensors");
  const auto train = [&](const std::string& epochs, const std::string& output) {
    EXPECT_EQ(run({"train", "--device", "cpu", "--threads", "1", "--data", "digits", "--schedule", "constant",
                   "--weights", "net.safetensors", "--epochs", epochs, "--output", output})
                  .exit_code,
              0);
  };
  train("4", "whole");
  train("2", "part");
  fs::remove(path("net.safetensors"));
  EXPECT_EQ(
      run({"train", "--device", "cpu", "--threads", "1", "--resume", "part", "--epochs", "4"}).exit_code, 0);
  EXPECT_EQ(read_model(path("part/model.safetensors")).values,
            read_model(path("whole/model.safetensors")).values);
  expect_refused({"train", "--resume", "part", "--weights", "run"}, "--weights: expected none with --resume");
}

TEST_F(ForeignModel, OfAnotherShapeIsNoBeginning) {
  expect_refused({"train", "--data", "digits", "--weights", "run", "--hidden", "16"},
                 "--hidden: expected the layers of run/model.safetensors, 64-16-8-10, found 16");
  expect_refused({"train", "--data", "mnist", "--weights", "run"},
                 "run: expected 784 inputs and 10 classes, as mnist has, found the layers 64-16-8-10");
  expect_refused({"train", "--data", "digits", "--weights", "run", "--activation", "tanh"},
                 "--activation: expected relu, as run/model.safetensors says, found tanh");
  expect_refused({"train", "--data", "digits", "--weights", "none"}, "none: expected a training's directory");
}

}  // namespace
}  // namespace softwarp
