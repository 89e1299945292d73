#pragma once

#include <softwarp/train.h>

#include <optional>

#include "host/report/event_file.h"

namespace softwarp {

// Tells TensorBoard of a training: an event after each epoch, at the number of its last step, and the test's
// at the end. The file is made when there is something to say, so that a training that fails at once leaves
// none and takes nothing from what an earlier one left.
class ScalarLog {
 public:
  // `resumed`: the epochs that the training goes on after. The last of them is said once more, because what a
  // training cut off between its events and its checkpoint says from there on is taken back.
  ScalarLog(std::filesystem::path directory, const std::vector<EpochRecord>& resumed);

  void write(const EpochRecord& record);
  void finish(const TrainingResult& result);

  // Empty as long as there is none.
  std::filesystem::path path() const { return file_ ? file_->path() : std::filesystem::path(); }

 private:
  void open();

  std::filesystem::path directory_;
  std::optional<EpochRecord> before_;
  std::optional<EventFile> file_;
};

}  // namespace softwarp
