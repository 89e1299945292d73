#include "host/report/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "host/report/page.h"

namespace softwarp {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kEpochs = 1000;  // more are not told apart on a screen

bool same_data(const FinishedRun& a, const FinishedRun& b) {
  const bool known = a.test_checksum != 0 && b.test_checksum != 0;
  return a.test.images == b.test.images && (known ? a.test_checksum == b.test_checksum : a.data == b.data);
}

std::string value_of(const FinishedRun& run, const std::string& setting) {
  for (const auto& [name, value] : run.settings)
    if (name == setting) return value;
  return "";
}

// Of the runs on the same data, the first of lowest error.
const FinishedRun& best_beside(const FinishedRun& run, std::span<const FinishedRun> runs) {
  const FinishedRun* best = nullptr;
  for (const FinishedRun& other : runs)
    if (same_data(run, other) &&
        (best == nullptr || other.test.accuracy > best->test.accuracy || std::isnan(best->test.accuracy)))
      best = &other;
  return *best;
}

Interval error_interval(const FinishedRun& run) {
  return wilson_interval(1 - run.test.accuracy, run.test.images);
}

// The epochs to show: every so many, and the last of each run.
std::set<std::int64_t> shown_epochs(std::span<const FinishedRun> runs) {
  std::int64_t most = 0;
  std::set<std::int64_t> epochs;
  for (const FinishedRun& run : runs) {
    most = std::max(most, std::ssize(run.history));
    epochs.insert(std::ssize(run.history));
  }
  const std::int64_t every = (most + kEpochs - 1) / kEpochs;
  for (std::int64_t epoch = every; epoch <= most; epoch += every) epochs.insert(epoch);
  return epochs;
}

// A list a column, with null beyond the run's end and where there was no validation.
Json curves(const FinishedRun& run, const std::set<std::int64_t>& epochs) {
  Json json;
  for (const char* part : {"train", "validation"})
    for (const std::int64_t epoch : epochs) {
      const auto i = static_cast<std::size_t>(epoch - 1);
      const bool train = std::string_view(part) == "train";
      const bool there = i < run.history.size() && (train || run.history[i].validation.images > 0);
      const Score score = !there ? Score{} : train ? run.history[i].train : run.history[i].validation;
      json[std::string(part) + "_loss"].push_back(there ? Json(score.loss) : Json());
      json[std::string(part) + "_accuracy"].push_back(there ? Json(score.accuracy) : Json());
    }
  return json;
}

}  // namespace

Interval wilson_interval(double share, std::int64_t trials) {
  constexpr double z = 1.959963984540054;  // the normal distribution's quantile of 0.975
  const auto n = static_cast<double>(trials);
  const double center = share + z * z / (2 * n), scale = 1 + z * z / n;
  const double half = z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  // Rounding must not leave a share of 0 or 1 outside.
  return {std::clamp((center - half) / scale, 0.0, share), std::clamp((center + half) / scale, share, 1.0)};
}

std::vector<DifferingSetting> differing_settings(std::span<const FinishedRun> runs) {
  std::vector<DifferingSetting> settings;
  for (const FinishedRun& run : runs)
    for (const auto& [name, value] : run.settings) {
      if (std::ranges::any_of(settings, [&](const auto& s) { return s.name == name; })) continue;
      DifferingSetting& setting = settings.emplace_back(name);
      for (const FinishedRun& each : runs) setting.values.push_back(value_of(each, name));
    }
  std::erase_if(settings, [](const DifferingSetting& s) {
    return std::ranges::all_of(s.values, [&](const auto& value) { return value == s.values[0]; });
  });
  return settings;
}

std::vector<std::string> comparison_notes(std::span<const FinishedRun> runs) {
  std::vector<std::string> notes;
  for (const FinishedRun& run : runs.subspan(1))
    if (!same_data(run, runs[0]))
      notes.push_back(fmt::format(
          "{} was measured on {} test images of {}, {} on {} of {}: their errors cannot be compared",
          run.name, run.test.images, run.data, runs[0].name, runs[0].test.images, runs[0].data));
  for (const FinishedRun& run : runs) {
    const FinishedRun& best = best_beside(run, runs);
    if (&best == &run || std::isnan(run.test.accuracy)) continue;
    const bool overlap = error_interval(run).low <= error_interval(best).high;
    notes.push_back(fmt::format("{} and {}, of lowest error: their intervals {}", run.name, best.name,
                                overlap ? "overlap, so the difference may be chance"
                                        : "do not overlap, so the difference is more than chance"));
  }
  notes.emplace_back(
      "The intervals are Wilson's, of 95 %, for each run alone; which images each run got right was not "
      "compared.");
  return notes;
}

Json comparison_json(std::span<const FinishedRun> runs) {
  Json json = {{"runs", Json::array()}, {"settings", Json::array()}, {"notes", comparison_notes(runs)}};
  for (const FinishedRun& run : runs) {
    const Interval interval = error_interval(run);
    json["runs"].push_back({{"run", run.name},
                            {"test_error", 1 - run.test.accuracy},
                            {"test_error_low", interval.low},
                            {"test_error_high", interval.high},
                            {"test_accuracy", run.test.accuracy},
                            {"test_loss", run.test.loss},
                            {"test_images", run.test.images},
                            {"data", run.data},
                            {"network", run.network},
                            {"parameters", run.parameters},
                            {"epochs", run.history.size()},
                            {"stopped", run.stopped},
                            {"train_seconds", run.seconds},
                            {"device", run.device}});
  }
  for (const DifferingSetting& setting : differing_settings(runs))
    json["settings"].push_back({{"name", setting.name}, {"values", setting.values}});
  return json;
}

std::string comparison_html(std::span<const FinishedRun> runs) {
  Json json = comparison_json(runs);
  const std::set<std::int64_t> epochs = shown_epochs(runs);
  json["history"]["epoch"] = epochs;
  for (std::size_t i = 0; i < runs.size(); ++i) json["runs"][i]["curves"] = curves(runs[i], epochs);
  return with_data(comparison_page(), json);
}

}  // namespace softwarp
