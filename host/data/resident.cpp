#include "host/data/resident.h"

#include <iterator>

namespace softwarp {

ResidentDataset::ResidentDataset(Backend& backend, const Dataset& data)
    : images_(backend.make_array<std::uint8_t>(std::ssize(data.images))),
      values_(backend.make_array<float>(std::ssize(data.values))),
      labels_(backend.make_array<std::uint8_t>(data.count)),
      view_{.images = images_.data(),
            .labels = labels_.data(),
            .count = data.count,
            .pixels = data.pixels(),
            .scale = data.values.empty() ? 1.0f / static_cast<float>(data.max_pixel) : 1.0f,
            .width = data.width,
            .values = data.values.empty() ? nullptr : values_.data()} {
  backend.upload<std::uint8_t>(data.images, images_.data());
  backend.upload<float>(data.values, values_.data());
  backend.upload<std::uint8_t>(data.labels, labels_.data());
}

}  // namespace softwarp
