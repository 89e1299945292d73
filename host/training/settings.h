#pragma once

#include <softwarp/train.h>

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "host/model/optimizer.h"

namespace softwarp {

// With the schedule counted in steps of this many an epoch.
[[nodiscard]] OptimizerSettings optimizer_settings(const TrainingSettings& settings,
                                                   std::int64_t steps_per_epoch);

// For summary.json: names as the flags have them.
[[nodiscard]] nlohmann::ordered_json to_json(const TrainingSettings& settings);
// The same as command-line flags and their values: "--lr", "0.003".
[[nodiscard]] std::map<std::string, std::string> to_flags(const TrainingSettings& settings);

}  // namespace softwarp
