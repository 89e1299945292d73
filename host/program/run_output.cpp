#include "host/program/run_output.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "host/program/resume.h"
#include "host/program/runs.h"
#include "host/training/run_directory.h"
#include "host/training/settings.h"

namespace softwarp::program {
namespace {

bool same_directory(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code error;
  return a.lexically_normal() == b.lexically_normal() || std::filesystem::equivalent(a, b, error);
}

// The directory of the checkpoint that is resumed, if it has a run's name for it.
std::optional<std::filesystem::path> resumed_directory(const std::string& resume) {
  if (resume.empty()) return std::nullopt;
  const std::filesystem::path path = checkpoint_path(resume);
  if (path.filename() != "last.safetensors") return std::nullopt;
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

bool settle_output(std::string& output, bool chosen, bool overwrite, const std::string& resume) {
  const auto resumed = resumed_directory(resume);
  if (!chosen && resumed)
    output = resumed->string();
  else if (!chosen)
    output = overwrite ? "softwarp-run" : next_free_run();
  if (resumed && same_directory(output, *resumed)) return false;
  const auto files = files_of_run(output);
  if (!files.empty() && !overwrite)
    throw Error(
        fmt::format("{}: expected a directory without an earlier training, found {} (--overwrite "
                    "replaces it)",
                    output, files.front().filename().string()));
  return !files.empty();
}

std::string going_on_text(const std::string& output, const std::string& resume,
                          const TrainingSettings& settings, std::int64_t saved, const Checkpoint& resumed) {
  if (saved > 0)
    return fmt::format("softwarp train --resume {} goes on after epoch {}", shell_word(output), saved);
  if (resumed.history.empty())
    return "there is no checkpoint yet to go on from; the same command with --overwrite starts anew";
  std::string command = fmt::format("softwarp train --resume {}", shell_word(resume));
  const auto flags = to_flags(settings);
  for (const char* flag : {"--epochs", "--patience"})
    if (flags.at(flag) != resumed.settings.at(flag)) command += fmt::format(" {} {}", flag, flags.at(flag));
  const auto directory = resumed_directory(resume);
  if (!directory || !same_directory(*directory, output))
    command += fmt::format(" --output {} --overwrite", shell_word(output));
  return fmt::format("{} goes on after epoch {}", command, resumed.history.size());
}

}  // namespace softwarp::program
