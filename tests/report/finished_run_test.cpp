#include "host/report/finished_run.h"

#include <gtest/gtest.h>
#include <softwarp/error.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

using Json = nlohmann::ordered_json;

const std::string kHead =
    "epoch,steps,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy\n";
const std::string kMetrics = kHead + "1,10,0.1,2.5,0.25,1.5,0.5\n2,20,0.05,nan,0.5,inf,0.75\n";

Json summary() {
  return {{"test_accuracy", 0.75},
          {"test_loss", 0.5},
          {"test_images", 40},
          {"train_seconds", 1.5},
          {"epochs", 2},
          {"stopped", true},
          {"train_images", 100},
          {"network", "4-3-2"},
          {"parameters", 23},
          {"data", "digits"},
          {"test_checksum", 4294967295u},
          {"device", "cpu"},
          {"settings",
           {{"hidden", {3}}, {"batch_size", 10}, {"lr", 0.1}, {"validation", 0.0}, {"nesterov", false}}}};
}

FinishedRun parsed(const Json& json, const std::string& metrics = kMetrics) {
  return parse_run("run", json.dump(), metrics);
}

Json with(const char* key, const Json& value) {
  Json json = summary();
  json[key] = value;
  return json;
}

TEST(FinishedRun, IsWhatItsFilesSay) {
  const FinishedRun run = parsed(summary());
  EXPECT_EQ(run.name, "run");
  EXPECT_EQ(run.network, "4-3-2");
  EXPECT_EQ(run.data, "digits");
  EXPECT_EQ(run.test_checksum, 4294967295u);
  EXPECT_EQ(run.device, "cpu");
  EXPECT_EQ(run.test.accuracy, 0.75);
  EXPECT_EQ(run.test.loss, 0.5);
  EXPECT_EQ(run.test.images, 40);
  EXPECT_EQ(run.seconds, 1.5);
  EXPECT_EQ(run.parameters, 23);
  EXPECT_TRUE(run.stopped);
  using Settings = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(run.settings, (Settings{{"--data", "digits"},
                                    {"--hidden", "3"},
                                    {"--batch-size", "10"},
                                    {"--lr", "0.1"},
                                    {"--validation", "0"},
                                    {"--nesterov", "false"},
                                    {"training images", "100"},
                                    {"device", "cpu"}}));
  ASSERT_EQ(run.history.size(), 2u);
  EXPECT_EQ(run.history[0].train.loss, 2.5);
  EXPECT_EQ(run.history[0].validation.accuracy, 0.5);
  EXPECT_TRUE(std::isnan(run.history[1].train.loss));
  EXPECT_TRUE(std::isinf(run.history[1].validation.loss));
}

TEST(FinishedRun, MayHaveNoValidationAndNoNumbers) {
  Json json = with("test_loss", "NaN");
  json["test_accuracy"] = nullptr;  // as softwarp 0.2.0 wrote NaN
  json["train_seconds"] = "Infinity";
  for (const char* key : {"stopped", "train_images", "device"}) json.erase(key);
  const FinishedRun run = parsed(json, kHead + "1,10,0.1,2.5,0.25,,\n2,20,0.05,2,0.5,,\n");
  EXPECT_TRUE(std::isnan(run.test.loss) && std::isnan(run.test.accuracy) && std::isinf(run.seconds));
  EXPECT_FALSE(run.stopped);
  EXPECT_EQ(run.history[1].validation.images, 0);
}

TEST(FinishedRun, MovesNoCursor) {
  Json json = with("data", "\x1b[2J\xc2\x9b\xc3\xa4\x7f");
  json["settings"] = {{"a\nb",
                       "\r\xc2"
                       "\xa0"}};
  const FinishedRun run = parsed(json);
  EXPECT_EQ(run.data, "?[2J?\xc3\xa4?");
  EXPECT_EQ(run.settings[1].first, "--a?b");
  EXPECT_EQ(run.settings[1].second, "?\xc2\xa0");
}

void expect_refused(const std::string& summary, const std::string& metrics, const std::string& expected) {
  SCOPED_TRACE(summary.substr(0, 500) + metrics.substr(0, 500));
  try {
    (void)parse_run("run", summary, metrics);
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find(expected), std::string::npos) << what;
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    EXPECT_LT(what.size(), 300u) << what;
  }
}

TEST(FinishedRun, IsRefusedWithADamagedSummary) {
  const std::string whole = summary().dump();
  for (std::size_t length = 0; length < whole.size(); ++length)
    expect_refused(whole.substr(0, length), kMetrics, "run/summary.json: expected a JSON object");
  for (const char* text : {"[]", "3", "null", "\xff", "{\"a\":1e999}"})
    expect_refused(text, kMetrics, "run/summary.json: expected a JSON object");
  expect_refused(std::string(100'000, '['), kMetrics, "run/summary.json: expected a JSON object");
  const Json right = summary();
  for (const auto& [key, value] : right.items()) {
    Json json = right;
    json.erase(key);
    if (key == "stopped" || key == "train_images" || key == "test_checksum" || key == "device") continue;
    expect_refused(json.dump(), kMetrics, "run/summary.json: expected \"" + key + "\", found none");
  }
}

TEST(FinishedRun, IsRefusedWithOtherTypesAndRanges) {
  const std::vector<std::pair<const char*, std::vector<Json>>> cases = {
      {"test_accuracy", {-0.1, 1.5, "0.5", "nan", true, Json::array(), Json::object(), "Infinity"}},
      {"test_loss", {-1, "-Infinity", "low", Json::array({1})}},
      {"test_images", {0, -1, 0.5, 1e30, "40", nullptr, 18446744073709551615u}},
      {"train_seconds", {-1, "long"}},
      {"epochs", {0, -2, "2", nullptr, Json::array()}},
      {"parameters", {0, 2.5, std::int64_t{1} << 62}},
      {"network", {Json::object(), std::string(1001, 'x'), Json::array({Json::array({1})})}},
      {"data", {Json::object({{"a", 1}})}},
      {"test_checksum", {-1, 0.5, 4294967296u, "7", nullptr}},
      {"settings",
       {1, "lr", Json::array({1}), Json::object({{"lr", Json::object()}}),
        Json::object({{std::string(5000, '\n'), Json::array({Json::array()})}})}}};
  for (const auto& [key, values] : cases)
    for (const Json& value : values)
      expect_refused(with(key, value).dump(), kMetrics, "run/summary.json: expected");
}

TEST(FinishedRun, IsRefusedWithDamagedMetrics) {
  // Cut off anywhere, after a whole line too.
  for (std::size_t length = 0; length < kMetrics.size(); ++length)
    expect_refused(summary().dump(), kMetrics.substr(0, length), "run/metrics.csv: expected");
  for (const std::string row :
       {"1,10,0.1,2.5,0.25,1.5,1.5", "1,10,0.1,-2.5,0.25,1.5,0.5", "1,10,0.1,2.5,-0.25,,",
        "1,10,0.1,2.5,0.25,1.5", "1,10,0.1,2.5,0.25,1.5,0.5,7", "1,10,0.1,x,0.25,1.5,0.5",
        "1,10,0.1,,0.25,1.5,0.5", "2,10,0.1,2.5,0.25,1.5,0.5", "1;10;0.1;2.5;0.25;1.5;0.5",
        "1,10,0.1,2.5,0.25,1.5,0.5\r", "1,10,1e999,2.5,0.25,1.5,0.5", ""})
    expect_refused(with("epochs", 1).dump(), kHead + row + "\n", "run/metrics.csv: expected");
  expect_refused(summary().dump(), "epoch,loss\n1,2\n2,3\n",
                 "run/metrics.csv: expected a history of epoch,steps");
  expect_refused(
      with("epochs", 3).dump(), kMetrics,
      "run/metrics.csv: expected the 3 epochs of summary.json, found 2 (a training that still runs?)");
}

TEST(FinishedRun, IsReadFromItsDirectory) {
  const TemporaryDirectory directory;
  const std::string path = directory.path().string();
  const auto expect_error = [&](const std::string& run, const std::string& expected) {
    try {
      (void)read_run(run);
      ADD_FAILURE() << "read";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  };
  const auto write = [&](const std::string& name, const std::string& text) {
    directory.write(name, Bytes(text.begin(), text.end()));
  };
  expect_error(path + "/none", "none: expected a training's directory, found nothing there");
  expect_error(path, "expected a finished training's summary.json, found none");
  write("last.safetensors", "");
  expect_error(path,
               "found last.safetensors alone, the checkpoint of a training that was cut off or still runs");
  expect_error(path + "/last.safetensors", "expected a training's directory, found something else");
  write("summary.json", summary().dump());
  expect_error(path, "metrics.csv: expected a readable file, found No such file");
  write("metrics.csv", kMetrics);
  EXPECT_EQ(read_run(path).history.size(), 2u);
  std::filesystem::resize_file(directory.path() / "metrics.csv", std::uintmax_t{1} << 33);
  expect_error(path, "metrics.csv: expected at most 67108864 bytes");
}

}  // namespace
}  // namespace softwarp
