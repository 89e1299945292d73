#pragma once

#include <softwarp/train.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace softwarp {

// A training that has ended, as its summary.json and metrics.csv say.
struct FinishedRun {
  std::string name;  // as it was given
  std::string network;
  std::string data;
  std::uint32_t test_checksum = 0;  // Dataset::source_checksum of the test images; 0: not said
  std::string device;               // empty: not said
  Score test;
  double seconds = 0;
  std::int64_t parameters = 0;
  bool stopped = false;
  std::vector<std::pair<std::string, std::string>> settings;  // flags and what else was chosen, with values
  std::vector<EpochRecord> history;                           // without times
};

// The run in a directory. Throws Error, which names the file or the directory, what was expected, what was
// found and, of a training that has not ended, how it goes on.
[[nodiscard]] FinishedRun read_run(const std::string& directory);

// The same from the content of both files, which may come from anywhere. Texts have no control characters
// then, accuracies are in [0, 1] or NaN, losses not negative or NaN.
[[nodiscard]] FinishedRun parse_run(const std::string& name, std::string_view summary,
                                    std::string_view metrics);

}  // namespace softwarp
