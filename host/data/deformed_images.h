#pragma once

#include <softwarp/augment.h>
#include <softwarp/backend.h>
#include <softwarp/dataset.h>

#include <cstdint>
#include <span>
#include <vector>

namespace softwarp {

// Images [indices, pixels] of the data as a training of this seed deforms them in an epoch, which counts from
// 1. Values up to the data's max_pixel.
[[nodiscard]] std::vector<std::uint8_t> deformed_images(Backend& backend, const Dataset& data,
                                                        std::span<const std::int32_t> indices,
                                                        std::uint64_t seed, std::int64_t epoch,
                                                        const Augmentation& augmentation);

}  // namespace softwarp
