#include "host/report/deformed_sample.h"

#include <algorithm>
#include <numeric>

#include "host/data/deformed_images.h"

namespace softwarp {

constexpr std::int64_t kImages = 16;

DeformedSample deformed_sample(Backend& backend, const TrainingSettings& settings, const Dataset& train) {
  if (settings.augmentation == Augmentation{}) return {};
  const Dataset kept =
      settings.validation > 0 ? split(train, settings.validation, settings.seed).first : train;
  DeformedSample sample{head(kept, std::min(kImages, kept.count)), {}};
  std::vector<std::int32_t> indices(static_cast<std::size_t>(sample.images.count));
  std::iota(indices.begin(), indices.end(), 0);
  sample.deformed = deformed_images(backend, sample.images, indices, settings.seed, 1, settings.augmentation);
  return sample;
}

}  // namespace softwarp
