#include "host/training/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <softwarp/error.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "host/io/file.h"
#include "host/training/history.h"
#include "host/training/settings.h"

namespace softwarp {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& expected,
                       const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", path.string(), expected, found));
}

std::string times_csv(const std::vector<EpochRecord>& history) {
  std::string csv = "epoch,seconds,samples_per_second\n";
  for (const EpochRecord& r : history)
    csv += fmt::format("{},{:.3f},{:.0f}\n", r.epoch, r.seconds, r.samples_per_second);
  return csv;
}

std::string summary_json(const TrainingResult& result, const TrainingSettings& settings,
                         const std::string& device) {
  const nlohmann::ordered_json summary = {{"test_accuracy", result.test.accuracy},
                                          {"test_loss", result.test.loss},
                                          {"test_images", result.test.images},
                                          {"train_seconds", result.seconds},
                                          {"samples_per_second", result.samples_per_second},
                                          {"epochs", result.history.size()},
                                          {"stopped", result.stopped},
                                          {"network", result.model.shape.text()},
                                          {"parameters", result.parameters},
                                          {"data", result.model.input.data},
                                          {"device", device},
                                          {"seed", settings.seed},
                                          {"settings", to_json(settings)}};
  return summary.dump(2) + "\n";
}

}  // namespace

RunDirectory::RunDirectory(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  made_ = std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path))
    fail(path, "a directory to write to", error ? error.message() : "a file");
  if (access(path.c_str(), W_OK) != 0)
    fail(path, "a directory to write to", std::generic_category().message(errno));
  lock();
  remove_leftovers();
}

// A directory with files in it is not removed.
RunDirectory::~RunDirectory() {
  std::error_code ignored;
  if (made_) std::filesystem::remove(path_, ignored);
  if (descriptor_ >= 0) close(descriptor_);
}

// The kernel forgets the lock when the process ends, however it does.
void RunDirectory::lock() {
  descriptor_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) fail(path_, "a directory to write to", std::generic_category().message(errno));
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return;  // not every file system can
  close(descriptor_);
  fail(path_, "a directory that no other training writes to", "one that is at work there");
}

void RunDirectory::remove_leftovers() const {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path_, ignored))
    if (is_temporary_file(entry.path())) std::filesystem::remove(entry.path(), ignored);
}

void RunDirectory::write_history(const std::vector<EpochRecord>& history) const {
  write_file(metrics(), history_csv(history, /*times=*/false));
  write_file(times(), times_csv(history));
}

void RunDirectory::save(const Checkpoint& checkpoint) const {
  if (!checkpoint.best.empty())
    write_model(best(), {checkpoint.model.shape, checkpoint.model.input, checkpoint.best});
  write_checkpoint(last(), checkpoint);
  // Of an earlier training, which the checkpoint has just replaced.
  std::error_code ignored;
  if (checkpoint.best.empty()) std::filesystem::remove(best(), ignored);
  write_history(checkpoint.history);
}

void RunDirectory::write(const TrainingResult& result, const TrainingSettings& settings,
                         const std::string& device) const {
  write_model(model(), result.model);
  write_history(result.history);
  write_file(summary(), summary_json(result, settings, device));
}

}  // namespace softwarp
