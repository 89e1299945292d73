#pragma once

#include <filesystem>
#include <string>

#include "host/training/training.h"

namespace softwarp {

// What a training leaves behind: model.safetensors, metrics.csv (a row an epoch), summary.json.
class RunDirectory {
 public:
  // Makes the directory if need be. Throws Error if that cannot be done, or if a file could not be written
  // there. If nothing has been written in the end, a directory that was made is taken away again.
  explicit RunDirectory(const std::filesystem::path& path);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  // Each file is replaced as a whole or not at all.
  void write(const TrainingResult& result, const TrainingSettings& settings, const std::string& device) const;

  std::filesystem::path model() const { return path_ / "model.safetensors"; }
  std::filesystem::path metrics() const { return path_ / "metrics.csv"; }
  std::filesystem::path summary() const { return path_ / "summary.json"; }

 private:
  std::filesystem::path path_;
  bool made_ = false;
};

}  // namespace softwarp
