#pragma once

#include <memory>

#include "host/backend/backend.h"
#include "host/backend/cuda/matmul.h"

namespace softwarp::cuda {

// A linear layer on cuBLASLt. Bias, activation and their gradients are the products' epilogues; where the
// library has none, or, with `tune`, where it is the slower way on this device, a plain product and our
// kernel do the same. Its own memory comes from the backend.
[[nodiscard]] std::unique_ptr<Linear> make_linear(Backend& backend, const LinearShape& shape,
                                                  const MatmulContext& setting, bool tune);

}  // namespace softwarp::cuda
