#pragma once

#include <softwarp/linear.h>

#include <memory>

namespace softwarp::cpu {

// A linear layer on oneDNN's matmul primitives, created once for the shape. The gelu backward needs z, which
// only then is kept.
[[nodiscard]] std::unique_ptr<Linear> make_linear(const LinearShape& shape, Linear* below, int threads);

}  // namespace softwarp::cpu
