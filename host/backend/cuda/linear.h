#pragma once

#include <softwarp/backend.h>

#include <memory>
#include <span>
#include <vector>

#include "host/backend/cuda/matmul.h"

namespace softwarp::cuda {

// Linear layers on cuBLASLt that feed each other. Bias, activation and their gradients are the products'
// epilogues; where the library has none, or, with `tune`, where it is the slower way on this device, a plain
// product and our kernel do the same. Their own memory comes from the backend.
[[nodiscard]] std::vector<std::unique_ptr<Linear>> make_layers(Backend& backend,
                                                               std::span<const LinearShape> shapes,
                                                               const MatmulContext& context, bool tune);

}  // namespace softwarp::cuda
