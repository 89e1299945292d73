// Committees, from outside: evaluate and predict with several models.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>
#include <softwarp/mlp.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "host/model/model_file.h"
#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

const std::string kDigit = "P2 4 4 9 9 9 9 9 9 0 9 9 9 0 9 9 9 9 9 9";

Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Three networks: a, b, and c's parameters in c.safetensors, as another program would save them.
class Committees : public testing::Test {
 protected:
  Committees() {
    train("a", {"--hidden", "16", "--epochs", "6"});
    train("b", {"--hidden", "12,8", "--activation", "gelu", "--epochs", "9"});
    train("c", {"--hidden", "20", "--activation", "tanh", "--epochs", "4"});
    SafetensorsFile file = to_safetensors(model_of("c"));
    file.metadata = {{"format", "pt"}};
    write_safetensors(path("c.safetensors"), file);
    directory_.write("digit.pgm", Bytes(kDigit.begin(), kDigit.end()));
  }

  fs::path path(const std::string& name) const { return directory_.path() / name; }
  Model model_of(const std::string& run) const { return read_model(path(run) / "model.safetensors"); }
  ProgramRun run(const Arguments& arguments) { return run_program(arguments, directory_.path()); }
  void train(const std::string& output, const Arguments& more) {
    const ProgramRun ended = run(Arguments{"train", "--device", "cpu", "--threads", "1", "--data", "digits",
                                           "--dropout", "0", "--output", output} +
                                 more);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
  }
  std::string out_of(const Arguments& arguments, const std::string& err = "") {
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_EQ(ended.err, err);
    return ended.out;
  }
  nlohmann::json json_of(const Arguments& arguments) {
    return nlohmann::json::parse(out_of(arguments + Arguments{"--json"}));
  }
  // Of the test images of the digits, [image][class].
  std::vector<std::vector<double>> probabilities_of(const Arguments& models) {
    std::vector<std::vector<double>> all;
    for (const auto& image : json_of(Arguments{"predict", "--index", "0-179", "--top", "10"} + models)) {
      std::vector<double>& row = all.emplace_back(10);
      for (const auto& c : image["top"]) row[c["class"].get<std::size_t>()] = c["probability"].get<double>();
    }
    return all;
  }
  void expect_refused(const Arguments& arguments, const std::string& part) {
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 1) << ended.out;
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(ended.err.find("softwarp: " + part), 0u) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }

  const Arguments foreign_ = {"c.safetensors", "--activation", "tanh"};
  TemporaryDirectory directory_;
};

TEST_F(Committees, AverageTheProbabilities) {
  const std::vector<Arguments> models = {{"a"}, {"b"}, foreign_ + Arguments{"--data", "digits"}};
  const Arguments all = models[0] + models[1] + models[2];
  std::vector<std::vector<std::vector<double>>> each;
  for (const Arguments& model : models) each.push_back(probabilities_of(model));
  const auto averaged = probabilities_of(all);
  const Dataset data = load_data("digits").test;

  double loss = 0, correct = 0;
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    std::vector<double> mean(10);
    for (std::size_t c = 0; c < 10; ++c) {
      mean[c] = (each[0][i][c] + each[1][i][c] + each[2][i][c]) / 3;
      EXPECT_NEAR(averaged[i][c], mean[c], 1e-7);  // half of the last place of a float below 1
    }
    loss -= std::log(mean[data.labels[i]]) / 180;
    correct += std::ranges::max_element(mean) - mean.begin() == data.labels[i];
  }
  const auto scores = json_of(Arguments{"evaluate"} + all);
  EXPECT_NEAR(scores["loss"].get<double>(), loss, 1e-7);
  EXPECT_EQ(scores["accuracy"], correct / 180);
  EXPECT_EQ(scores["images"], 180);
  EXPECT_EQ(std::ssize(scores["mistakes"]), 180 - correct);

  std::string lines;
  ASSERT_EQ(scores["models"].size(), 3u);
  for (std::size_t m = 0; m < 3; ++m) {
    const auto own = json_of(Arguments{"evaluate"} + models[m]);
    EXPECT_FALSE(own.contains("models"));
    EXPECT_EQ(scores["models"][m]["model"], models[m][0]);
    EXPECT_EQ(scores["models"][m]["accuracy"], own["accuracy"]);
    EXPECT_EQ(scores["models"][m]["loss"], own["loss"]);
    const std::string text = out_of(Arguments{"evaluate"} + models[m]);
    lines += models[m][0] + ": " + text.substr(0, text.find(", calibration")) + "\n";
  }
  const std::string text = out_of(Arguments{"evaluate"} + all);
  EXPECT_EQ(text.find(lines + "committee of 3: accuracy "), 0u) << text;
}

TEST_F(Committees, AreGivenAsArgumentsAndFlags) {
  const std::string evaluated = out_of({"evaluate", "a", "b", "c"});
  EXPECT_EQ(out_of({"evaluate", "a", "b", "--model", "c"}), evaluated);
  EXPECT_EQ(out_of({"evaluate", "--model", "a", "--model", "b", "--model", "c"}), evaluated);
  const Arguments images = {"--index", "3", "digit.pgm"};
  const std::string predicted = out_of(Arguments{"predict", "a", "b"} + images);
  EXPECT_NE(out_of(Arguments{"predict", "a"} + images), predicted);
  EXPECT_EQ(out_of(Arguments{"predict", "--model", "a", "b"} + images), predicted);
  EXPECT_EQ(out_of(Arguments{"predict", "--model", "a", "--model", "b"} + images), predicted);
  EXPECT_EQ(out_of({"predict", "--index", "3", "a", "digit.pgm", "b/model.safetensors"}), predicted);
}

// The flags are for the foreign one alone, whose input is that of the others. It may come first.
TEST_F(Committees, CompleteTheirForeignModels) {
  const Arguments images = {"--index", "0-9", "digit.pgm"};
  EXPECT_EQ(out_of(Arguments{"predict", "a"} + foreign_ + images),
            out_of(Arguments{"predict", "a", "c"} + images));
  EXPECT_EQ(out_of(Arguments{"predict"} + foreign_ + Arguments{"a", "digit.pgm"}),
            out_of({"predict", "c", "a", "digit.pgm"}));
  const std::string relu =
      "softwarp: c.safetensors: does not say its activation, taken as relu after each hidden layer "
      "(--activation decides)\n";
  EXPECT_NE(out_of({"evaluate", "a", "c.safetensors"}, relu), out_of(Arguments{"evaluate", "a"} + foreign_));
  expect_refused({"evaluate", "a", "b", "--activation", "tanh"},
                 "--activation: expected relu, as a/model.safetensors says, found tanh");
}

TEST_F(Committees, NameWhatWasTrainedOnOtherImages) {
  Model other = model_of("c");
  other.input.test_checksum ^= 1;
  write_model(path("other.safetensors"), other);
  const auto note = [](const std::string& model) {
    return "softwarp: digits: holds other test images or labels than when " + model + " was trained\n";
  };
  out_of({"evaluate", "a", "other.safetensors", "b"}, note("other.safetensors"));
  other.values[0] += 1;
  write_model(path("another.safetensors"), other);
  out_of({"predict", "a", "other.safetensors", "another.safetensors", "--index", "0-3"},
         note("other.safetensors") + note("another.safetensors"));
}

TEST_F(Committees, HaveModelsThatAgree) {
  const auto with = [this](const std::string& name, const auto& change) {
    Model model = model_of("c");
    change(model);
    model.values.resize(static_cast<std::size_t>(ParameterLayout(model.shape).size), 0.5f);
    write_model(path(name), model);
    return name;
  };
  const auto differ = [](const std::string& model, const std::string& expected, const std::string& found) {
    return model + ": expected " + expected + ", as a/model.safetensors has, found " + found + " (";
  };
  const std::string classes = with("classes.safetensors", [](Model& model) { model.shape.classes = 9; });
  expect_refused({"evaluate", "a", "b", classes}, differ(classes, "10 classes", "9"));
  expect_refused({"predict", "a", "b", classes, "digit.pgm"}, differ(classes, "10 classes", "9"));
  const std::string size =
      with("size.safetensors", [](Model& model) { model.input.height = 4, model.input.width = 16; });
  expect_refused({"evaluate", "a", size, classes},
                 differ(size, "images of 8x8 pixels", "images of 4x16 pixels"));
  const std::string pixels = with("pixels.safetensors", [](Model& model) { model.input.max_pixel = 255; });
  expect_refused({"evaluate", "a", pixels}, differ(pixels, "pixels 0 to 16", "0 to 255"));
  const std::string framing = with("framing.safetensors", [](Model& model) {
    model.input.framing = {.kind = Framing::Kind::mass, .share = 0.75};
  });
  expect_refused({"predict", "a", framing, "digit.pgm"}, differ(framing, "the framing box 1", "mass 0.75"));
  out_of({"predict", "a", framing, "--index", "0"});
  out_of({"evaluate", "a", framing});

  const std::string ten = "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n";
  directory_.write("ten", Bytes(ten.begin(), ten.end()));
  const auto named = [&](const std::string& file, const std::string& third) {
    return with(file, [&](Model& model) {
      model.input.class_names = {"zero", "one", "two",   third,   "four",
                                 "five", "six", "seven", "eight", "nine"};
      model.values[0] = static_cast<float>(third.size());
    });
  };
  const std::string english = named("en.safetensors", "three"), german = named("de.safetensors", "drei");
  expect_refused({"evaluate", "a", english, german},
                 german + ": expected class 3 three, as " + english + " has, found drei (");
  EXPECT_NE(out_of({"evaluate", "a", english, german, "--class-names", "ten"}).find("3 three"),
            std::string::npos);
  EXPECT_NE(out_of({"evaluate", "a", german}).find("3 drei"), std::string::npos);
}

TEST_F(Committees, HaveEachModelOnce) {
  const auto twice = [](const std::string& again, const std::string& first) {
    return again + ": expected each model once, found the parameters of " + first + " again";
  };
  const std::string a = "a/model.safetensors";
  expect_refused({"evaluate", "a", "b", "a"}, twice(a, a));
  expect_refused({"predict", "--model", "a", "a", "--index", "0"}, twice(a, a));
  expect_refused({"evaluate", "b", "a", "--model", "./a"}, twice("./" + a, a));
  fs::copy_file(path(a), path("copy.safetensors"));
  expect_refused({"evaluate", "a", "copy.safetensors"}, twice("copy.safetensors", a));
  expect_refused({"evaluate", "a", "none", "b"}, "none: expected a training's directory");
  expect_refused({"predict", "a", "none.safetensors", "digit.pgm"},
                 "none.safetensors: expected a training's");
}

}  // namespace
}  // namespace softwarp
