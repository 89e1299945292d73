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

// Runs the softwarp program of this build in `directory` and waits for its end. After `interrupt_after` has
// appeared on its standard output it is sent SIGINT once.
ProgramRun run_program(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
                       const std::string& interrupt_after = "");

}  // namespace softwarp
