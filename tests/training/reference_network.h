#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "host/model/layout.h"

namespace softwarp {

// The network of a Pass in double, written from its definition alone: the mean cross-entropy of
// softmax(z_L) for z_i = h_{i-1} W_iᵀ + b_i, h_i = f(z_i). `values` is laid out as ParameterLayout says.
inline double reference_loss(const MlpShape& shape, const std::vector<double>& values,
                             const std::vector<double>& images, const std::vector<std::int32_t>& labels) {
  const ParameterLayout layout(shape);
  double total = 0;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    const auto width = static_cast<std::size_t>(shape.inputs);
    std::vector<double> h(images.begin() + static_cast<std::ptrdiff_t>(r * width),
                          images.begin() + static_cast<std::ptrdiff_t>((r + 1) * width));
    for (std::int64_t i = 0; i < shape.layers(); ++i) {
      std::vector<double> next(static_cast<std::size_t>(shape.width(i + 1)));
      for (std::size_t o = 0; o < next.size(); ++o) {
        double z = values[static_cast<std::size_t>(layout.bias(i).offset) + o];
        for (std::size_t k = 0; k < h.size(); ++k)
          z += values[static_cast<std::size_t>(layout.weight(i).offset) + o * h.size() + k] * h[k];
        next[o] = i + 1 < shape.layers() ? activate(shape.activation, z) : z;
      }
      h = std::move(next);
    }
    double sum = 0;
    for (const double z : h) sum += std::exp(z);
    total += std::log(sum) - h[static_cast<std::size_t>(labels[r])];
  }
  return total / static_cast<double>(labels.size());
}

}  // namespace softwarp
