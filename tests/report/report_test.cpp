#include "host/report/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "host/report/images.h"

namespace softwarp {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kOpen = R"(<script type="application/json" id="report">)";

// Three classes of images of 2x3, four of them to test on, two of which are misclassified.
struct ATraining {
  ATraining() {
    data.train = {"toy", Bytes(12), {0, 1}, 2, 2, 3, 3};
    data.test = {"toy", Bytes(24), {0, 1, 2, 1}, 4, 2, 3, 3};
    data.train.max_pixel = data.test.max_pixel = 10;
    for (std::size_t i = 0; i < 24; ++i) data.test.images[i] = static_cast<std::uint8_t>(i % 11);
    result.model = {{6, {4}, 3, Activation::relu}, {"toy", 2, 3, 10}, {}};
    const ParameterLayout layout(result.model.shape);
    result.model.values.resize(static_cast<std::size_t>(layout.size));
    for (std::size_t i = 0; i < 24; ++i) weights()[i] = static_cast<float>(i) - 12;
    result.parameters = layout.parameters;
    for (std::int64_t e = 1; e <= 3; ++e) {
      const auto x = static_cast<double>(e);
      result.history.push_back(
          {e, 7 * e, 0.1 / x, {1 / x, x / 7, 50}, {std::abs(x - 2) + 0.5, x / 9, 9}, x, 100.4 * x});
    }
    result.test = {0.7, 0.5, 4};
    result.seconds = 12.5;
    result.samples_per_second = 432;
    result.classification = classify(
        std::vector<float>{.8f, .1f, .1f, .7f, .2f, .1f, .1f, .1f, .8f, 0, .1f, .9f}, data.test.labels, 3);
  }
  using Bytes = std::vector<std::uint8_t>;

  float* weights() {
    return result.model.values.data() + ParameterLayout(result.model.shape).weight(0).offset;
  }
  std::string page() const { return report_html(result, settings, data, environment, sample); }
  nlohmann::json json() const {
    const std::string html = page();
    const std::size_t begin = html.find(kOpen) + kOpen.size(), end = html.find("</script>", begin);
    return nlohmann::json::parse(html.substr(begin, end - begin));
  }

  TrainingResult result;
  TrainingSettings settings;
  DataPair data;
  DeformedSample sample;
  ReportEnvironment environment{"cpu (2 threads)", "2001-02-03 04:05 UTC"};
};

TEST(Report, HoldsTheNumbersOfTheTraining) {
  const ATraining training;
  const auto json = training.json();
  EXPECT_EQ(json["summary"]["accuracy"], 0.5);
  EXPECT_EQ(json["summary"]["loss"], 0.7);
  EXPECT_EQ(json["summary"]["seconds"], 12.5);
  EXPECT_EQ(json["summary"]["network"], "6-4-3");
  EXPECT_EQ(json["summary"]["parameters"], 43);
  EXPECT_EQ(json["summary"]["epochs"], 3);
  EXPECT_EQ(json["summary"]["stopped"], false);
  const auto& history = json["history"];
  EXPECT_EQ(history["epoch"], nlohmann::json({1, 2, 3}));
  EXPECT_EQ(history["steps"], nlohmann::json({7, 14, 21}));
  EXPECT_EQ(history["learning_rate"], nlohmann::json({0.1, 0.1 / 2, 0.1 / 3}));
  EXPECT_EQ(history["train_loss"], nlohmann::json({1.0, 1.0 / 2, 1.0 / 3}));
  EXPECT_EQ(history["train_accuracy"], nlohmann::json({1.0 / 7, 2.0 / 7, 3.0 / 7}));
  EXPECT_EQ(history["validation_loss"], nlohmann::json({1.5, 0.5, 1.5}));
  EXPECT_EQ(history["validation_accuracy"], nlohmann::json({1.0 / 9, 2.0 / 9, 3.0 / 9}));
  EXPECT_EQ(history["samples_per_second"], nlohmann::json({100, 201, 301}));
  EXPECT_EQ(history["model"], 2);  // the least validation loss
  EXPECT_EQ(json["confusion"], nlohmann::json({1, 0, 0, 1, 0, 1, 0, 0, 1}));
  EXPECT_EQ(json["classes"][0]["precision"], 0.5);
  // Confidences 0.8, 0.7, 0.8 and 0.9, of which the first and the third are right: bins 10, 12 and 13 of 15.
  ASSERT_EQ(json["calibration"].size(), 15u);
  EXPECT_EQ(json["calibration"][10]["images"], 1);
  EXPECT_EQ(json["calibration"][10]["accuracy"], 0);
  EXPECT_EQ(json["calibration"][12]["images"], 2);
  EXPECT_EQ(json["calibration"][12]["accuracy"], 1);
  EXPECT_NEAR(json["calibration"][12]["confidence"].get<double>(), 0.8, 1e-6);
  EXPECT_EQ(json["calibration"][13]["images"], 1);
  EXPECT_TRUE(json["calibration"][0]["confidence"].is_null());
  const std::string all = json["environment"].dump();
  for (const char* part : {"cpu (2 threads)", "2001-02-03 04:05 UTC", "2x3, 3 classes", "0.2.0"})
    EXPECT_NE(all.find(part), std::string::npos) << part;
}

TEST(Report, NamesClasses) {
  ATraining training;
  EXPECT_EQ(training.json()["class_names"], nlohmann::json::array());
  training.result.model.input.class_names = {"a", "</script>", "\xc3\xa4"};
  EXPECT_EQ(training.json()["class_names"], nlohmann::json({"a", "</script>", "\xc3\xa4"}));
}

TEST(Report, NamesTheFlagsAndTheChosenOnes) {
  ATraining training;
  training.settings.rate = 0.02;
  training.settings.hidden = {};
  const auto settings = training.json()["settings"];
  const auto expect = [&](const std::string& name, const std::string& value, bool chosen) {
    const auto found =
        std::find_if(settings.begin(), settings.end(), [&](const auto& s) { return s["name"] == name; });
    ASSERT_NE(found, settings.end()) << name;
    EXPECT_EQ((*found)["value"], value);
    EXPECT_EQ((*found)["chosen"], chosen) << name;
  };
  expect("--lr", "0.02", true);
  expect("--hidden", "0", true);
  expect("--input-dropout", "0.1", false);
  expect("--momentum", "0", false);
  expect("--optimizer", "adamw", false);
}

TEST(Report, ShowsTheMostConfidentMistakesAsTheyAre) {
  const auto mistakes = ATraining().json()["mistakes"];
  EXPECT_EQ(mistakes["of"], 2);
  EXPECT_EQ(mistakes["height"], 2);
  EXPECT_EQ(mistakes["width"], 3);
  ASSERT_EQ(mistakes["shown"].size(), 2u);
  EXPECT_EQ(mistakes["shown"][0]["image"], 3);
  EXPECT_EQ(mistakes["shown"][0]["label"], 1);
  EXPECT_EQ(mistakes["shown"][0]["predicted"], 2);
  EXPECT_NEAR(mistakes["shown"][0]["probability"].get<double>(), 0.9, 1e-6);
  // The fourth image is 18 to 23, modulo 11.
  EXPECT_EQ(mistakes["shown"][0]["pixels"], packed({2, 3, {7, 8, 9, 10, 0, 1}}, 10));
}

TEST(Report, ShowsTrainingImagesAboveTheirDeformations) {
  ATraining training;
  EXPECT_FALSE(training.json().contains("deformed"));
  training.data.train.images = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0};
  training.sample = {training.data.train, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10, 1}};
  const auto deformed = training.json()["deformed"];
  EXPECT_EQ(deformed["height"], 5);
  EXPECT_EQ(deformed["width"], 3);
  ASSERT_EQ(deformed["shown"].size(), 2u);
  EXPECT_EQ(deformed["shown"][1]["label"], 1);
  const auto pixels = [](const std::vector<float>& values) { return packed({5, 3, values}, 10); };
  EXPECT_EQ(deformed["shown"][0]["pixels"], pixels({0, 1, 2, 3, 4, 5, 0, 0, 0, 9, 8, 7, 6, 5, 4}));
  EXPECT_EQ(deformed["shown"][1]["pixels"], pixels({6, 7, 8, 9, 10, 0, 0, 0, 0, 3, 2, 1, 0, 10, 1}));
}

TEST(Report, ShowsTheUnitsOfLargestNorm) {
  const auto weights = ATraining().json()["weights"];
  EXPECT_EQ(weights["of"], 4);
  ASSERT_EQ(weights["shown"].size(), 4u);
  // Rows are -12 to -7, -6 to -1, 0 to 5 and 6 to 11.
  const int units[] = {0, 3, 1, 2};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(weights["shown"][i]["unit"], units[i]);
  EXPECT_NEAR(weights["shown"][2]["norm"].get<double>(), std::sqrt(91.0), 1e-12);
  EXPECT_EQ(weights["limit"], 12);
  EXPECT_EQ(weights["shown"][3]["pixels"], packed({2, 3, {0, 1, 2, 3, 4, 5}}, 12));
}

TEST(Report, ThinsLongHistoriesButKeepsTheLastEpoch) {
  ATraining training;
  training.result.history.resize(1);
  while (training.result.history.size() < 2001) {
    training.result.history.push_back(training.result.history.back());
    ++training.result.history.back().epoch;
  }
  const auto history = training.json()["history"];
  EXPECT_EQ(history["every"], 3);
  EXPECT_EQ(history["epoch"].size(), 667u);
  EXPECT_EQ(history["epoch"].front(), 3);
  EXPECT_EQ(history["epoch"].back(), 2001);
}

TEST(Report, LeavesOutWhatIsNoNumber) {
  ATraining training;
  training.result.test = {kNan, kNan, 4};
  for (EpochRecord& r : training.result.history) r.train.loss = r.validation.loss = kNan;
  training.weights()[0] = static_cast<float>(kNan);
  training.weights()[7] = std::numeric_limits<float>::infinity();
  training.result.classification =
      classify(std::vector<float>(12, static_cast<float>(kNan)), training.data.test.labels, 3);
  const auto json = training.json();
  EXPECT_TRUE(json["summary"]["accuracy"].is_null());
  EXPECT_TRUE(json["history"]["train_loss"][1].is_null());
  EXPECT_TRUE(json["calibration_error"].is_null());
  EXPECT_TRUE(json["mistakes"]["shown"][0]["probability"].is_null());
  EXPECT_EQ(json["weights"]["shown"][0]["unit"], 3);
  EXPECT_EQ(json["weights"]["limit"], 11);
  EXPECT_EQ(json["history"]["model"], 3);
}

TEST(Report, EscapesWhatComesFromOutside) {
  ATraining training;
  const std::string hostile = "</script><script>alert(1)</script><!--<script>\"\\\xff\xe2\x80\xa8";
  training.environment.device = training.data.train.name = training.data.test.name = hostile;
  const std::string page = training.page();
  const std::size_t begin = page.find(kOpen) + kOpen.size(), end = page.find("</script>", begin);
  const std::string text = page.substr(begin, end - begin);
  EXPECT_EQ(text.find('<'), std::string::npos);
  // Bytes that are no UTF-8 are replaced, the rest reads back.
  const std::string kept = "</script><script>alert(1)</script><!--<script>\"\\\xef\xbf\xbd\xe2\x80\xa8";
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["summary"]["data"], kept);
  EXPECT_EQ(json["environment"][0]["value"], kept);
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
}

TEST(Report, NeedsNothingButItself) {
  const std::string page = ATraining().page();
  for (const char* part : {"://", "src=", "url(", "@import", "innerHTML", "fetch(", "XMLHttpRequest"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (std::size_t at = page.find("href="); at != std::string::npos; at = page.find("href=", at + 1))
    EXPECT_EQ(page.substr(at, 7), "href=\"#");
  EXPECT_EQ(page.find("/* page"), std::string::npos) << "a part is missing";
  EXPECT_TRUE(
      std::all_of(page.begin(), page.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
  EXPECT_LT(page.size(), 45'000u);
}

}  // namespace
}  // namespace softwarp
