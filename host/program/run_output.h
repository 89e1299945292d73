#pragma once

#include <softwarp/train.h>

#include <cstdint>
#include <string>

namespace softwarp::program {

// Chooses the output directory if the flags do not. Throws Error if an earlier training would be lost. True
// if an earlier training is to be replaced.
bool settle_output(std::string& output, bool chosen, bool overwrite, const std::string& resume);

// The last line of a training that a signal ended: the command that goes on. `saved` is the epoch of the
// checkpoint that it has written, 0 if none.
std::string going_on_text(const std::string& output, const std::string& resume,
                          const TrainingSettings& settings, std::int64_t saved, const Checkpoint& resumed);

}  // namespace softwarp::program
