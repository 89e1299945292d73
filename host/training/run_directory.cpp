#include "host/training/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <softwarp/error.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "host/io/file.h"
#include "host/training/history.h"
#include "host/training/json_text.h"
#include "host/training/settings.h"

namespace softwarp {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& expected,
                       const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", path.string(), expected, found));
}

constexpr std::array kFiles{"model.safetensors", "last.safetensors", "best.safetensors", "metrics.csv",
                            "times.csv",         "summary.json",     "report.html"};
constexpr std::string_view kEventFile = "events.out.tfevents.";

int open_directory(const std::filesystem::path& path) {
  return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
                                          {"stopped_early", result.stopped_early},
                                          {"model_epoch", result.model_epoch},
                                          {"train_images", result.train_images},
                                          {"validation_images", result.validation_images},
                                          {"network", result.model.shape.text()},
                                          {"parameters", result.parameters},
                                          {"data", result.model.input.data},
                                          {"test_checksum", result.model.input.test_checksum},
                                          {"device", device},
                                          {"seed", settings.seed},
                                          {"settings", to_json(settings)}};
  return json_text(summary) + "\n";
}

}  // namespace

std::vector<std::filesystem::path> files_of_run(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kEventFile) || std::find(kFiles.begin(), kFiles.end(), name) != kFiles.end())
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool is_free_for_run(const std::filesystem::path& directory) {
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::symlink_status(directory, ignored))) return true;
  if (!std::filesystem::is_directory(directory, ignored) || !files_of_run(directory).empty()) return false;
  const int descriptor = open_directory(directory);
  if (descriptor < 0) return false;
  const bool locked = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(descriptor);
  return !locked;
}

RunDirectory::RunDirectory(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  made_ = std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path))
    fail(path, "a directory to write to", error ? error.message() : "a file");
  if (access(path.c_str(), W_OK) != 0)
    fail(path, "a directory to write to", std::generic_category().message(errno));
  expect_writable_files();
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
  descriptor_ = open_directory(path_);
  if (descriptor_ < 0) fail(path_, "a directory to write to", std::generic_category().message(errno));
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return;  // not every file system can
  close(descriptor_);
  fail(path_, "a directory that no other training writes to", "one that is at work there");
}

// As writing them would find out after the training.
void RunDirectory::expect_writable_files() const {
  for (const char* name : kFiles) {
    const std::filesystem::path path = path_ / name;
    const auto refuse = [&](const std::string& found) { fail(path, "a file that can be written", found); };
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (std::filesystem::is_directory(status)) refuse("a directory");
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
      refuse("something that is no regular file");
    if (!std::filesystem::is_symlink(std::filesystem::symlink_status(path, error))) continue;
    const std::filesystem::path target = std::filesystem::canonical(path, error);
    if (error) refuse("a link to nothing");
    if (access(target.parent_path().c_str(), W_OK) != 0)
      refuse("a link to a directory without the right to write: " + target.parent_path().string());
  }
}

void RunDirectory::discard_earlier_run() const {
  for (const std::filesystem::path& file : files_of_run(path_)) {
    std::error_code error;
    const bool checkpoint = file == last() || file == best();
    const bool link = std::filesystem::is_symlink(std::filesystem::symlink_status(file, error));
    if (link && !checkpoint) continue;
    std::filesystem::remove(file, error);
    if (error) fail(file, "a file that can be taken away", error.message());
  }
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
