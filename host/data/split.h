#pragma once

#include <cstdint>
#include <utility>

#include "host/data/dataset.h"

namespace softwarp {

// A training part and a validation part that together are the data: each image is in one of them, in
// its old order. `share`, between 0 and 1, is the validation part's, rounded to a whole image; which
// images it gets depends on the seed and the count alone. Throws Error where a part would be empty.
[[nodiscard]] std::pair<Dataset, Dataset> split(const Dataset& data, double share, std::uint64_t seed);

// The first `count` images, 1 to data.count.
[[nodiscard]] Dataset take(const Dataset& data, std::int64_t count);

}  // namespace softwarp
