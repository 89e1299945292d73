#include "host/program/resume.h"

#include <fmt/format.h>
#include <softwarp/error.h>

namespace softwarp::program {

Checkpoint apply_checkpoint(CLI::App& command, const std::filesystem::path& directory,
                            const std::map<std::string, std::string>& given) {
  const std::filesystem::path path = directory / "last.safetensors";
  Checkpoint checkpoint = read_checkpoint(path);
  std::string differences;
  for (const auto& [flag, text] : checkpoint.settings) {
    CLI::Option* option = command.get_option_no_throw(flag);
    const auto now = given.find(flag);
    if (option == nullptr || now == given.end())
      throw Error(
          fmt::format("{}: expected settings of this version of softwarp, found {}", path.string(), flag));
    if (option->count() == 0) {
      try {
        option->add_result(text);
        option->run_callback();
      } catch (const CLI::Error& error) {
        throw Error(fmt::format("{}: {}", path.string(), error.what()));
      }
    } else if (now->second != text && flag != "--epochs") {
      differences +=
          fmt::format("{}{} {}, found {}", differences.empty() ? "" : "; ", flag, text, now->second);
    }
  }
  if (!differences.empty())
    throw Error(
        fmt::format("{}: cannot be resumed with other settings: expected {}", path.string(), differences));
  return checkpoint;
}

}  // namespace softwarp::program
