// softwarp compare.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class CompareProgram : public testing::Test {
 protected:
  void SetUp() override {
    train({"--output", "first"});
    train({"--output", "second", "--seed", "2", "--lr", "0.02"});
  }
  void train(const Arguments& more) {
    const ProgramRun ended = run_program(small_training(more), directory_.path());
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
  }
  ProgramRun compare(Arguments arguments) {
    arguments.insert(arguments.begin(), "compare");
    return run_program(arguments, directory_.path());
  }
  // One line, and no page.
  void expect_refused(const Arguments& arguments, const std::string& part, int code = 1) {
    const ProgramRun ended = compare(arguments);
    EXPECT_EQ(ended.exit_code, code);
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
    EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
    EXPECT_FALSE(fs::exists(path("compare.html")));
  }
  fs::path path(const std::string& name) const { return directory_.path() / name; }
  TemporaryDirectory directory_;
};

TEST_F(CompareProgram, PrintsATableAndWritesAPage) {
  const ProgramRun ended = compare({"first", "second"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  for (const char* part : {"run ", "95 % interval", "\nfirst ", "\nsecond ", "\n--lr ", "\n--seed ", "0.02",
                           "The intervals are Wilson's", "\nwrote compare.html\n"})
    EXPECT_NE(ended.out.find(part), std::string::npos) << part << ended.out;
  EXPECT_EQ(ended.out.find("--epochs"), std::string::npos) << ended.out;  // the same of both
  const std::string page = text_of(path("compare.html"));
  EXPECT_TRUE(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

TEST_F(CompareProgram, PrintsJson) {
  const ProgramRun right = compare({"first", "second", "--json", "--output", "p"});
  const auto json = nlohmann::json::parse(right.out);
  const auto summary = nlohmann::json::parse(text_of(path("second/summary.json")));
  EXPECT_EQ(json["runs"].size(), 2u);
  EXPECT_EQ(json["runs"][1]["run"], "second");
  EXPECT_EQ(json["runs"][1]["test_loss"], summary["test_loss"]);
  EXPECT_EQ(json["runs"][1]["parameters"], summary["parameters"]);
  EXPECT_EQ(json["page"], "p");
  EXPECT_TRUE(fs::exists(path("p")));
}

TEST_F(CompareProgram, ReplacesAPageOnlyWhenAsked) {
  std::ofstream(path("page")) << "mine";
  EXPECT_EQ(compare({"first", "second", "--output", "page"}).err,
            "softwarp: page: expected no file of that name, found one (--overwrite replaces it)\n");
  EXPECT_EQ(text_of(path("page")), "mine");
  EXPECT_EQ(compare({"first", "second", "--output", "page", "--overwrite"}).exit_code, 0);
  EXPECT_NE(text_of(path("page")), "mine");
  EXPECT_EQ(compare({"first", "second", "--output", "none/page"}).exit_code, 1);
}

TEST_F(CompareProgram, RefusesRunsThatCannotBeRead) {
  expect_refused({"first"}, "runs: expected at least two, found 1", 2);
  expect_refused({"first", "third", "second"}, "third: expected a training's directory, found nothing there");
  expect_refused({"first", "first/model.safetensors"},
                 "first/model.safetensors: expected a training's directory");
  expect_refused({"first", "first/"}, "first/: expected each run once");
  expect_refused({"first", "second", "second/../first"}, "second/../first: expected each run once");
  fs::resize_file(path("second/metrics.csv"), fs::file_size(path("second/metrics.csv")) - 1);
  expect_refused({"first", "second"}, "second/metrics.csv: expected a whole last line");
  fs::resize_file(path("second/summary.json"), 100);
  expect_refused({"first", "second"}, "second/summary.json: expected a JSON object");
  fs::remove(path("second/summary.json"));
  expect_refused({"second", "first"}, "(softwarp train --resume second goes on)");
}

TEST_F(CompareProgram, NamesRunsThatWereMeasuredOnOtherData) {
  auto summary = nlohmann::json::parse(text_of(path("second/summary.json")));
  summary["test_images"] = 99;
  std::ofstream(path("second/summary.json")) << summary;
  const ProgramRun ended = compare({"first", "second"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("second was measured on 99 test images of "), std::string::npos) << ended.out;
}

}  // namespace
}  // namespace softwarp
