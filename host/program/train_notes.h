#pragma once

#include <softwarp/train.h>

#include <string>
#include <vector>

namespace softwarp::program {

// Settings that do something other than one may expect, each in a sentence. `resumed` has no history if the
// training starts anew.
[[nodiscard]] std::vector<std::string> notes_on(const TrainingSettings& settings, const Checkpoint& resumed);

// Says after which epoch the training goes on, or why there is nothing to train.
[[nodiscard]] std::string resuming_text(const TrainingSettings& settings, const Checkpoint& resumed);

}  // namespace softwarp::program
