#pragma once

#include <softwarp/augment.h>

#include <CLI/CLI.hpp>

namespace softwarp::program {

// The flags of --augment, which is `kinds` by default, and its parameters. They write to `augmentation`,
// which outlives the command.
void add_augment_flags(CLI::App& command, Augmentation& augmentation, const std::string& kinds = "none");

// Once the flags are read: gives what --augment has chosen its defaults. Throws CLI::ValidationError where a
// parameter is given of what has not been chosen.
void settle_augment(const CLI::App& command, Augmentation& augmentation);

}  // namespace softwarp::program
