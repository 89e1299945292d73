#include "host/report/finished_run.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "host/io/number_table.h"
#include "host/training/history.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::uintmax_t kMostBytes = std::uintmax_t{1} << 26;
constexpr std::size_t kLongestText = 1000;
constexpr auto kMostCount = std::int64_t{1} << 48;

[[noreturn]] void fail(const fs::path& path, const std::string& expected, const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", path.string(), expected, found));
}

// For a terminal: none of the characters that would move its cursor, those of two bytes (U+0080 to U+009F)
// either.
std::string printable(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) text[i] = '?';
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0)
      text.replace(i, 2, "?");
  }
  return text;
}

// The entries of a summary.json.
class Summary {
 public:
  Summary(fs::path path, std::string_view text)
      : path_(std::move(path)), json_(Json::parse(text, nullptr, /*allow_exceptions=*/false)) {
    if (!json_.is_object()) fail(path_, "a JSON object", "something else");
  }

  bool has(const char* key) const { return json_.contains(key); }
  const Json& at(const char* key) const {
    if (!has(key)) fail(path_, fmt::format("\"{}\"", key), "none");
    return json_[key];
  }

  // NaN is written as "NaN", and was as null.
  double number(const char* key, double least, double most) const {
    const Json& json = at(key);
    double value = std::numeric_limits<double>::quiet_NaN();
    if (json.is_number())
      value = json.get<double>();
    else if (json == "Infinity")
      value = std::numeric_limits<double>::infinity();
    else if (json != "NaN" && !json.is_null())
      fail(path_, fmt::format("a number as \"{}\"", key), "something else");
    if (value < least || value > most)
      fail(path_, fmt::format("\"{}\" of {} to {}", key, least, most), fmt::format("{}", value));
    return value;
  }

  std::int64_t count(const char* key) const {
    const Json& json = at(key);
    const bool right = json.is_number_unsigned() && json.get<std::uint64_t>() > 0 &&
                       json.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMostCount);
    if (!right) fail(path_, fmt::format("a count of at least 1 as \"{}\"", key), "something else");
    return json.get<std::int64_t>();
  }

  std::uint32_t checksum(const char* key) const {
    const Json& json = at(key);
    if (!json.is_number_unsigned() || json.get<std::uint64_t>() > UINT32_MAX)
      fail(path_, fmt::format("a number of 32 bits as \"{}\"", key), "something else");
    return json.get<std::uint32_t>();
  }

  std::string text(const char* key) const { return text(key, at(key)); }

  // A setting as its flag has it: 0.003, relu, 512,256.
  std::string text(const std::string& key, const Json& json) const {
    std::string text;
    if (json.is_string())
      text = json.get<std::string>();
    else if (json.is_number_float())
      text = fmt::format("{}", json.get<double>());
    else if (json.is_primitive())
      text = json.dump();
    else if (json.is_array())
      for (const Json& element : json) text += (text.empty() ? "" : ",") + primitive(key, element);
    else
      primitive(key, json);
    if (json.is_array() && json.empty()) text = "0";  // no hidden layer
    if (text.size() > kLongestText)
      fail(path_, fmt::format("at most {} bytes as \"{}\"", kLongestText, printable(key.substr(0, 40))),
           fmt::format("{}", text.size()));
    return printable(text);
  }

 private:
  std::string primitive(const std::string& key, const Json& json) const {
    if (!json.is_primitive())
      fail(path_, fmt::format("a number, text or list of them as \"{}\"", printable(key.substr(0, 40))),
           "something else");
    return json.dump();
  }

  fs::path path_;
  Json json_;
};

std::vector<std::pair<std::string, std::string>> settings_of(const fs::path& path, const Summary& summary) {
  const Json& json = summary.at("settings");
  if (!json.is_object()) fail(path, "a JSON object as \"settings\"", "something else");
  std::vector<std::pair<std::string, std::string>> settings{{"--data", summary.text("data")}};
  for (const auto& [key, value] : json.items()) {
    std::string flag = "--" + printable(key.substr(0, 40));
    std::replace(flag.begin(), flag.end(), '_', '-');
    settings.emplace_back(flag, summary.text(key, value));
  }
  for (const auto& [key, name] : {std::pair{"train_images", "training images"}, {"device", "device"}})
    if (summary.has(key)) settings.emplace_back(name, summary.text(key));
  return settings;
}

void expect_measures(const fs::path& path, const std::vector<EpochRecord>& history) {
  for (const EpochRecord& r : history)
    for (const Score& score : {r.train, r.validation})
      if (score.loss < 0 || score.accuracy < 0 || score.accuracy > 1)
        fail(path, fmt::format("a loss of at least 0 and an accuracy of 0 to 1 in epoch {}", r.epoch),
             fmt::format("{} and {}", score.loss, score.accuracy));
}

std::string content(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) fail(path, "a readable file", error.message());
  if (size > kMostBytes) fail(path, fmt::format("at most {} bytes", kMostBytes), fmt::format("{}", size));
  return read_all(path.string());
}

}  // namespace

FinishedRun parse_run(const std::string& name, std::string_view summary_text, std::string_view metrics) {
  const fs::path path = fs::path(name) / "summary.json", metrics_path = fs::path(name) / "metrics.csv";
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Summary summary(path, summary_text);
  FinishedRun run;
  run.name = name;
  run.network = summary.text("network");
  run.data = summary.text("data");
  if (summary.has("test_checksum")) run.test_checksum = summary.checksum("test_checksum");
  if (summary.has("device")) run.device = summary.text("device");
  run.test = {.loss = summary.number("test_loss", 0, kInfinity),
              .accuracy = summary.number("test_accuracy", 0, 1),
              .images = summary.count("test_images")};
  run.seconds = summary.number("train_seconds", 0, kInfinity);
  run.parameters = summary.count("parameters");
  run.stopped = summary.has("stopped") && summary.at("stopped") == true;
  run.settings = settings_of(path, summary);
  if (!metrics.ends_with('\n')) fail(metrics_path, "a whole last line", "a part of it");
  run.history = parse_history(metrics_path, metrics, /*times=*/false);
  expect_measures(metrics_path, run.history);
  if (const auto epochs = summary.count("epochs"); epochs != std::ssize(run.history))
    fail(metrics_path, fmt::format("the {} epochs of summary.json", epochs),
         fmt::format("{} (a training that still runs?)", run.history.size()));
  return run;
}

FinishedRun read_run(const std::string& directory) {
  const fs::path path(directory);
  std::error_code ignored;
  if (!fs::is_directory(path, ignored))
    fail(path, "a training's directory", fs::exists(path, ignored) ? "something else" : "nothing there");
  if (!fs::exists(path / "summary.json", ignored))
    fail(path, "a finished training's summary.json",
         fs::exists(path / "last.safetensors", ignored)
             ? fmt::format("last.safetensors alone, the checkpoint of a training that was cut off or still "
                           "runs (softwarp train --resume {} goes on)",
                           directory)
             : "none");
  return parse_run(directory, content(path / "summary.json"), content(path / "metrics.csv"));
}

}  // namespace softwarp
