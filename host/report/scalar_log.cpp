#include "host/report/scalar_log.h"

#include <utility>
#include <vector>

namespace softwarp {
namespace {

void add(EventFile& file, const EpochRecord& r) {
  std::vector<Scalar> scalars = {{"loss/train", r.train.loss},
                                 {"accuracy/train", r.train.accuracy},
                                 {"learning_rate", r.learning_rate},
                                 {"samples_per_second", r.samples_per_second}};
  if (r.validation.images > 0) {
    scalars.push_back({"loss/validation", r.validation.loss});
    scalars.push_back({"accuracy/validation", r.validation.accuracy});
  }
  file.add(r.steps, scalars);
}

}  // namespace

ScalarLog::ScalarLog(std::filesystem::path directory, const std::vector<EpochRecord>& resumed)
    : directory_(std::move(directory)) {
  if (!resumed.empty()) before_ = resumed.back();
}

void ScalarLog::open() {
  if (file_) return;
  file_.emplace(directory_, before_ ? before_->steps : 0);
  if (before_) add(*file_, *before_);
}

void ScalarLog::write(const EpochRecord& record) {
  open();
  add(*file_, record);
}

void ScalarLog::finish(const TrainingResult& result) {
  open();
  const Scalar scalars[] = {{"loss/test", result.test.loss}, {"accuracy/test", result.test.accuracy}};
  file_->add(result.history.back().steps, scalars);
  file_->close();
}

}  // namespace softwarp
