#pragma once

#include <filesystem>
#include <string>

#include "host/training/training.h"

namespace softwarp {

// What a training leaves behind: model.safetensors, metrics.csv (a row an epoch), summary.json.
class RunDirectory {
 public:
  // Makes the directory if need be. Throws Error if that cannot be done, or if a file could not be written
  // there.
  explicit RunDirectory(const std::filesystem::path& path);

  // Each file is replaced as a whole or not at all.
  void write(const TrainingResult& result, const TrainingSettings& settings, const std::string& device) const;

  std::filesystem::path model() const { return path_ / "model.safetensors"; }
  std::filesystem::path metrics() const { return path_ / "metrics.csv"; }
  std::filesystem::path summary() const { return path_ / "summary.json"; }

 private:
  std::filesystem::path path_;
};

}  // namespace softwarp
