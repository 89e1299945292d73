#pragma once

#include <softwarp/train.h>

#include <CLI/App.hpp>
#include <filesystem>
#include <map>
#include <string>

namespace softwarp::program {

// The checkpoint in a run's directory. Its settings become those of `command`, as if their flags had been
// given. `given` is what the flags say so far, in the same words; one that was given and says something else
// throws Error, unless the rest of a training may do without it: more or fewer epochs.
Checkpoint apply_checkpoint(CLI::App& command, const std::filesystem::path& directory,
                            const std::map<std::string, std::string>& given);

}  // namespace softwarp::program
