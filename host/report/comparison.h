#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/report/finished_run.h"

namespace softwarp {

struct Interval {
  double low = 0;
  double high = 0;
};

// Wilson's score interval of 95 % for the share of which `share` was found among so many trials (Wilson 1927,
// doi:10.1080/01621459.1927.10502953). NaN without trials.
[[nodiscard]] Interval wilson_interval(double share, std::int64_t trials);

// A setting in which runs differ, with the value of each; empty: not said.
struct DifferingSetting {
  std::string name;
  std::vector<std::string> values;
};
[[nodiscard]] std::vector<DifferingSetting> differing_settings(std::span<const FinishedRun> runs);

// Sentences: which runs were measured on other data than the first, and which differ by more than chance from
// the one of lowest error on the same data. They take the intervals of each run; pairs of predictions, as
// McNemar's test does, they do not compare.
[[nodiscard]] std::vector<std::string> comparison_notes(std::span<const FinishedRun> runs);

// All of this as JSON: "runs", "settings" and "notes".
[[nodiscard]] nlohmann::ordered_json comparison_json(std::span<const FinishedRun> runs);

// The same as one HTML page that needs nothing but itself, with the learning curves over each other.
[[nodiscard]] std::string comparison_html(std::span<const FinishedRun> runs);

}  // namespace softwarp
