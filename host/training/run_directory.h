#pragma once

#include <softwarp/train.h>

#include <filesystem>
#include <string>
#include <vector>

namespace softwarp {

// The files of a training that lie in the directory, an earlier one's too; none where it does not exist.
[[nodiscard]] std::vector<std::filesystem::path> files_of_run(const std::filesystem::path& directory);

// No other training is at work there, and none has left a file.
[[nodiscard]] bool is_free_for_run(const std::filesystem::path& directory);

// The files of a training run: model.safetensors, metrics.csv (a row an epoch, the same bytes for the same
// training), times.csv and summary.json; on its way last.safetensors, from which it can be resumed, and with
// a validation part best.safetensors, the model of the best epoch so far. One training at a time writes
// there.
class RunDirectory {
 public:
  // Makes the directory if need be, and takes away what a killed training left half-written. Throws Error if
  // that cannot be done, if one of these files could not be written there, or if another training is at work
  // there. If nothing has been written in the end, a directory that was made is taken away again.
  explicit RunDirectory(const std::filesystem::path& path);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  // Takes away what an earlier training left, so that nobody goes on with its checkpoint or mixes its events
  // with those of the next one. Links stay where the next one writes through them.
  void discard_earlier_run() const;

  // Each file is replaced as a whole or not at all, last.safetensors after best.safetensors.
  void save(const Checkpoint& checkpoint) const;
  void write(const TrainingResult& result, const TrainingSettings& settings, const std::string& device) const;

  std::filesystem::path model() const { return path_ / "model.safetensors"; }
  std::filesystem::path last() const { return path_ / "last.safetensors"; }
  std::filesystem::path best() const { return path_ / "best.safetensors"; }
  std::filesystem::path metrics() const { return path_ / "metrics.csv"; }
  std::filesystem::path times() const { return path_ / "times.csv"; }
  std::filesystem::path summary() const { return path_ / "summary.json"; }
  std::filesystem::path report() const { return path_ / "report.html"; }  // host/report's to write

 private:
  void lock();
  void expect_writable_files() const;
  void remove_leftovers() const;
  void write_history(const std::vector<EpochRecord>& history) const;

  std::filesystem::path path_;
  bool made_ = false;
  int descriptor_ = -1;
};

}  // namespace softwarp
