#include "host/program/resume.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include "host/training/history.h"
#include "host/training/settings.h"

namespace softwarp::program {

std::filesystem::path checkpoint_path(const std::string& run) {
  if (std::filesystem::is_regular_file(run)) return run;
  return std::filesystem::path(run) / "last.safetensors";
}

std::int64_t epochs_since_best(const std::vector<EpochRecord>& history) {
  if (history.empty() || history.back().validation.images == 0) return 0;
  return history.back().epoch - epoch_of_model(history);
}

void expect_epochs_left(const TrainingSettings& settings, bool chosen, const Checkpoint& checkpoint,
                        const std::string& run) {
  const std::int64_t done = std::ssize(checkpoint.history);
  if (chosen && settings.epochs < done)
    throw Error(fmt::format("--epochs: expected at least {}, which {} has behind it, found {}", done, run,
                            settings.epochs));
  const std::int64_t since = epochs_since_best(checkpoint.history);
  if (chosen && settings.epochs > done && settings.patience > 0 && since >= settings.patience)
    throw Error(fmt::format(
        "--epochs: {} stopped early after epoch {}, as the validation loss had not improved for {} "
        "epochs; it goes on with a --patience above {}, or 0",
        run, done, since, since));
}

Checkpoint apply_checkpoint(CLI::App& command, const std::filesystem::path& path,
                            const std::map<std::string, std::string>& given) {
  Checkpoint checkpoint = read_checkpoint(path);
  // An earlier version trained as the settings that it did not have are by default.
  for (const auto& [flag, text] : to_flags({})) checkpoint.settings.try_emplace(flag, text);
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
    } else if (now->second != text && flag != "--epochs" && flag != "--patience" && flag != "--data") {
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
