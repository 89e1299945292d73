#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace softwarp {

struct ProgramRun {
  int exit_code = -1;  // 128 + the signal, if one ended it
  std::string out;
  std::string err;
  double peak_mb = 0;  // of resident memory
};

// When a program shall be stopped before its own end.
struct Stop {
  std::string interrupt_after = {};  // SIGINT once this has appeared on its standard output
  int signal = 2;                    // in place of SIGINT
  double kill_after = 0;             // SIGKILL after so many seconds; 0: never
};

using Arguments = std::vector<std::string>;

// The arguments of a training that takes a moment, and `more`.
Arguments small_training(const Arguments& more);

// Runs this build's program, or the one on the simulated device or the one whose files fail, in `directory`
// and waits for its end.
ProgramRun run_program(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
                       const Stop& stop = {});
ProgramRun run_simulated(const std::vector<std::string>& arguments, const std::filesystem::path& directory);
ProgramRun run_on_failing_files(const std::vector<std::string>& arguments,
                                const std::filesystem::path& directory);

}  // namespace softwarp
