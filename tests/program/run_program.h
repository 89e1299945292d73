#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace softwarp {

struct ProgramRun {
  int exit_code = -1;  // 128 + the signal, if one ended it
  std::string out;
  std::string err;
};

// Runs this build's program, or the one on the simulated device, in `directory` and waits for its end. After
// `interrupt_after` has appeared on its standard output it is sent SIGINT once.
ProgramRun run_program(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
                       const std::string& interrupt_after = "");
ProgramRun run_simulated(const std::vector<std::string>& arguments, const std::filesystem::path& directory);

}  // namespace softwarp
