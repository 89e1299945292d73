// Names of classes, from --class-names to the model and from there to evaluate and predict.

#include <gtest/gtest.h>
#include <softwarp/mlp.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

const std::string kNames = "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n";

class ClassNames : public testing::Test {
 protected:
  ProgramRun run(const Arguments& arguments) { return run_program(arguments, directory_.path()); }
  ProgramRun train(const std::string& names, const Arguments& more = {"--class-names", "names.txt"}) {
    write("names.txt", names);
    return run(small_training(more));
  }
  std::string out_of(const Arguments& arguments) {
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.out;
  }
  void write(const std::string& name, const std::string& text) {
    directory_.write(name, Bytes(text.begin(), text.end()));
  }
  std::vector<std::string> names_in(const std::string& run) {
    return read_model(directory_.path() / run / "model.safetensors").input.class_names;
  }
  TemporaryDirectory directory_;
};

TEST_F(ClassNames, AreShownByEvaluateAndPredict) {
  ASSERT_EQ(train(kNames).exit_code, 0);
  const std::string table = out_of({"evaluate"});
  EXPECT_NE(table.find("\nclass    precision"), std::string::npos) << table;
  EXPECT_NE(table.find("\n5 five   "), std::string::npos) << table;
  EXPECT_NE(table.find("\n7 seven  "), std::string::npos) << table;
  EXPECT_NE(table.find(" taken for "), std::string::npos);
  const auto scores = nlohmann::json::parse(out_of({"evaluate", "--json"}));
  EXPECT_EQ(scores["classes"][9]["name"], "nine");
  const auto images = nlohmann::json::parse(out_of({"predict", "--index", "0", "--top", "10", "--json"}));
  EXPECT_EQ(images[0]["predicted"], images[0]["top"][0]["class"]);
  for (const auto& likely : images[0]["top"])
    EXPECT_EQ(likely["name"], names_in("softwarp-run")[likely["class"].get<std::size_t>()]);
  EXPECT_NE(out_of({"predict", "--index", "0"}).find(", labelled "), std::string::npos);
}

TEST_F(ClassNames, AreNotNeeded) {
  ASSERT_EQ(train(kNames, {}).exit_code, 0);
  EXPECT_NE(out_of({"evaluate"}).find("\n    7  "), std::string::npos);
  EXPECT_FALSE(nlohmann::json::parse(out_of({"evaluate", "--json"}))["classes"][0].contains("name"));
  const Arguments predict = {"predict", "--index", "0", "--json", "--class-names", "names.txt"};
  EXPECT_TRUE(nlohmann::json::parse(out_of(predict))[0]["top"][0].contains("name"));
}

TEST_F(ClassNames, StayWithATrainingThatIsResumed) {
  ASSERT_EQ(train(kNames).exit_code, 0);
  std::filesystem::remove(directory_.path() / "names.txt");
  out_of({"train", "--resume", "softwarp-run", "--epochs", "3"});
  EXPECT_EQ(names_in("softwarp-run")[3], "three");
}

TEST_F(ClassNames, ForgiveHowTheirFileWasSaved) {
  for (const char* end : {"\n", "\r\n", "\r"}) {
    std::string text = "\xEF\xBB\xBF" + kNames + "\n\n";
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += std::strlen(end))
      text.replace(at, 1, end);
    ASSERT_EQ(train(text, {"--class-names", "names.txt", "--output", "run", "--overwrite"}).exit_code, 0);
    EXPECT_EQ(names_in("run").front(), "zero");
    EXPECT_EQ(names_in("run").back(), "nine");
  }
}

TEST_F(ClassNames, AreOneForEachClass) {
  const auto expect_refused = [&](const std::string& names, const std::string& part) {
    const ProgramRun ended = train(names);
    EXPECT_EQ(ended.exit_code, 1) << ended.out;
    EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  };
  expect_refused(kNames + "ten\n", "names.txt, line 11: expected 10 names, found one more");
  expect_refused("zero\none\n", "names.txt, line 3: expected 10 names, found the end after 2");
  expect_refused("", "names.txt, line 1: expected 10 names, found the end after 0");
  expect_refused("zero\n \none\n",
                 "names.txt, line 2: expected the name of class 1 as text in UTF-8, found an");
  expect_refused("zero\n\x1B[2J\n", "line 2: expected the name of class 1 as text in UTF-8, found control");
  std::filesystem::create_directory(directory_.path() / "folder");
  EXPECT_EQ(train("", {"--class-names", "folder"}).exit_code, 1);
  EXPECT_EQ(train("", {"--class-names", "none"}).exit_code, 1);
}

}  // namespace
}  // namespace softwarp
