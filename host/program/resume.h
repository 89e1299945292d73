#pragma once

#include <softwarp/train.h>

#include <CLI/App.hpp>
#include <filesystem>
#include <map>
#include <string>

namespace softwarp::program {

// The checkpoint of --resume: `run` is its file, or a directory with a last.safetensors.
std::filesystem::path checkpoint_path(const std::string& run);

// The checkpoint in this file. Its settings become those of `command`, as if their flags had been
// given. `given` is what the flags say so far, in the same words; one that was given and says something else
// throws Error, unless the rest of a training may have another: --epochs and --patience; and --data, which is
// known by its content.
Checkpoint apply_checkpoint(CLI::App& command, const std::filesystem::path& path,
                            const std::map<std::string, std::string>& given);

// Throws Error if flags ask for a number of epochs that cannot be trained after the checkpoint: fewer than it
// has behind it, or more although its patience has run out. `chosen`: the number was given, and is not the
// checkpoint's by default.
void expect_epochs_left(const TrainingSettings& settings, bool chosen, const Checkpoint& checkpoint,
                        const std::string& run);

// Epochs since the lowest validation loss; 0 without a validation part.
std::int64_t epochs_since_best(const std::vector<EpochRecord>& history);

}  // namespace softwarp::program
