#pragma once

#include <softwarp/backend.h>
#include <softwarp/dataset.h>

namespace softwarp {

// A Dataset in a backend's memory, uploaded once. Bytes stay bytes: a quarter of what floats would take.
class ResidentDataset {
 public:
  ResidentDataset(Backend& backend, const Dataset& data);

  const DatasetView& view() const { return view_; }
  std::int64_t count() const { return view_.count; }

 private:
  Array<std::uint8_t> images_;
  Array<float> values_;
  Array<std::uint8_t> labels_;
  DatasetView view_;
};

}  // namespace softwarp
