#include "host/data/resident.h"

namespace softwarp {

ResidentDataset::ResidentDataset(Backend& backend, const Dataset& data)
    : images_(backend.make_array<std::uint8_t>(data.count * data.pixels())),
      labels_(backend.make_array<std::uint8_t>(data.count)),
      view_{.images = images_.data(),
            .labels = labels_.data(),
            .count = data.count,
            .pixels = data.pixels(),
            .scale = 1.0f / static_cast<float>(data.max_pixel),
            .width = data.width} {
  backend.upload<std::uint8_t>(data.images, images_.data());
  backend.upload<std::uint8_t>(data.labels, labels_.data());
}

}  // namespace softwarp
