#pragma once

#include <softwarp/train.h>

#include <CLI/CLI.hpp>
#include <string>

namespace softwarp::program {

// The flags of the optimizer. They write to `settings`, which outlives the command.
void add_optimizer_flags(CLI::App& command, TrainingSettings& settings);

// "adamw, one-cycle learning rate 0.003, max-norm 2".
[[nodiscard]] std::string optimizer_text(const TrainingSettings& settings);

}  // namespace softwarp::program
