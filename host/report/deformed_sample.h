#pragma once

#include <softwarp/backend.h>
#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <cstdint>
#include <vector>

namespace softwarp {

// Training images and what --augment made of each: pixels [images.count, images.pixels()], none if nothing
// was deformed.
struct DeformedSample {
  Dataset images;
  std::vector<std::uint8_t> deformed;
};

// The first sixteen of the images that are trained on, as they are in epoch 1.
[[nodiscard]] DeformedSample deformed_sample(Backend& backend, const TrainingSettings& settings,
                                             const Dataset& train);

}  // namespace softwarp
