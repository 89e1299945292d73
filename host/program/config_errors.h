#pragma once

#include <CLI/App.hpp>
#include <string>

namespace softwarp::program {

// An error in the config file that was given, as in "run.toml:2: [train] has no batch_size; did you mean
// batch-size?" for its first name that nothing has. Empty if there is no file, or no such name.
[[nodiscard]] std::string config_error(const CLI::App& app);

}  // namespace softwarp::program
