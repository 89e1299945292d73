#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <string>
#include <vector>

namespace softwarp::program {

// The file behind --config: TOML with a table for each command. Gives its values to the flags that have none
// from the command line. Throws CLI::ConfigError naming file, line and column, what was expected and what was
// found, as in "run.toml:2:1: [train] has no batch_size; did you mean batch-size?".
class ConfigFile final : public CLI::Config {
 public:
  explicit ConfigFile(CLI::App& app) : app_(app) {}
  // Leaves nothing to CLI11, which would forget the place of a value: no items.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return ""; }

 private:
  CLI::App& app_;
};

}  // namespace softwarp::program
