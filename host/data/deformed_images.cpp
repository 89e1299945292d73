#include "host/data/deformed_images.h"

#include <cmath>

#include "host/data/resident.h"

namespace softwarp {

std::vector<std::uint8_t> deformed_images(Backend& backend, const Dataset& data,
                                          std::span<const std::int32_t> indices, std::uint64_t seed,
                                          std::int64_t epoch, const Augmentation& augmentation) {
  const ResidentDataset resident(backend, data);
  const auto count = std::ssize(indices);
  const auto order = backend.make_array<std::int32_t>(count);
  const auto targets = backend.make_array<std::int32_t>(count);
  const auto state = backend.make_array<TrainingState>(1);
  const Matrix batch = backend.make_matrix(count, data.pixels());
  const TrainingState at{.seed = seed, .epoch = epoch - 1};
  backend.upload<std::int32_t>(indices, order.data());
  backend.upload<TrainingState>({&at, 1}, state.data());
  backend.augment_batch(resident.view(), order.data(), state.data(), augmentation, batch.view(),
                        targets.data());
  std::vector<float> values(static_cast<std::size_t>(count * data.pixels()));
  backend.download<float>(batch.view().data, values);
  std::vector<std::uint8_t> bytes;
  bytes.reserve(values.size());
  for (const float value : values)
    bytes.push_back(static_cast<std::uint8_t>(std::lround(value * static_cast<float>(data.max_pixel))));
  return bytes;
}

}  // namespace softwarp
