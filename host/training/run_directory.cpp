#include "host/training/run_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "host/backend/error.h"
#include "host/model/file.h"

namespace softwarp {
namespace {

std::string metrics_csv(const std::vector<EpochRecord>& history) {
  std::string csv =
      "epoch,steps,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy,seconds,"
      "samples_per_second\n";
  for (const EpochRecord& r : history) {
    const std::string validation =
        r.validation.images > 0 ? fmt::format("{},{}", r.validation.loss, r.validation.accuracy) : ",";
    csv += fmt::format("{},{},{},{},{},{},{:.3f},{:.0f}\n", r.epoch, r.steps, r.learning_rate, r.train.loss,
                       r.train.accuracy, validation, r.seconds, r.samples_per_second);
  }
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
    throw Error(fmt::format("{}: expected a directory to write to, found {}", path.string(),
                            error ? error.message() : "a file"));
  if (access(path.c_str(), W_OK) != 0)
    throw Error(fmt::format("{}: expected a directory to write to, found {}", path.string(),
                            std::generic_category().message(errno)));
}

// A directory with files in it is not removed.
RunDirectory::~RunDirectory() {
  std::error_code ignored;
  if (made_) std::filesystem::remove(path_, ignored);
}

void RunDirectory::write(const TrainingResult& result, const TrainingSettings& settings,
                         const std::string& device) const {
  write_model(model(), result.model);
  write_file(metrics(), metrics_csv(result.history));
  write_file(summary(), summary_json(result, settings, device));
}

}  // namespace softwarp
