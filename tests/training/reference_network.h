#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "host/model/mlp_workspace.h"
#include "tests/ops/ops_testing.h"

namespace softwarp {

// The factors of dropout on the input of layer i, [batch, width(i)]; an empty mask: all by 1.
using Masks = std::vector<Doubles>;

// An element survives if its 16 bits are at least the rate in 65536ths, and is then divided by the chance to
// survive. Eight neighbours share the four words of one draw, the lower half of each word first. Stream 0 is
// the input's, stream i that of hidden layer i, counted from 1.
inline Masks defined_masks(const MlpShape& shape, std::int64_t batch, const DropoutRates& rates,
                           std::uint64_t seed, std::int64_t step) {
  Masks masks;
  for (std::int64_t i = 0; i < shape.layers(); ++i) {
    masks.emplace_back();
    const double rate = i == 0 ? rates.input : rates.hidden;
    if (rate == 0) continue;
    const double dropped = std::floor(rate * 65536 + 0.5);
    for (std::int64_t k = 0; k < batch * shape.width(i); ++k) {
      const RandomWords words =
          random_words(seed, RandomPurpose::dropout, static_cast<std::uint32_t>(i),
                       static_cast<std::uint32_t>(step), static_cast<std::uint64_t>(k / 8));
      const std::uint32_t word = words.v[k % 8 / 2];
      const std::uint32_t bits = k % 2 == 0 ? word % 65536 : word / 65536;
      masks.back().push_back(bits >= dropped ? 65536 / (65536 - dropped) : 0);
    }
  }
  return masks;
}

// A batch's mean loss and the number of images whose likeliest class is the label.
struct ReferenceScore {
  double loss = 0;
  std::int64_t correct = 0;
};

// The network of a MlpWorkspace in double, written from its definition alone: h_i = f(z_i) and z_i = (h_{i-1}
// ⊙ m_i) W_iᵀ + b_i with dropout's masks m_i; the loss is the cross-entropy of softmax(z_L) against the
// label, which gives the share `smoothing` to all classes alike. `values` is laid out as ParameterLayout
// says.
inline ReferenceScore reference_score(const MlpShape& shape, const Doubles& values, const Doubles& images,
                                      const std::vector<std::int32_t>& labels, const Masks& masks = {},
                                      double smoothing = 0) {
  const ParameterLayout layout(shape);
  ReferenceScore score;
  Doubles h, next;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    const auto inputs = static_cast<std::ptrdiff_t>(shape.inputs), row = static_cast<std::ptrdiff_t>(r);
    h.assign(images.begin() + row * inputs, images.begin() + (row + 1) * inputs);
    for (std::int64_t i = 0; i < shape.layers(); ++i) {
      const auto layer = static_cast<std::size_t>(i);
      if (layer < masks.size() && !masks[layer].empty())
        for (std::size_t k = 0; k < h.size(); ++k) h[k] *= masks[layer][r * h.size() + k];
      next.resize(static_cast<std::size_t>(shape.width(i + 1)));
      for (std::size_t o = 0; o < next.size(); ++o) {
        double z = values[static_cast<std::size_t>(layout.bias(i).offset) + o];
        for (std::size_t k = 0; k < h.size(); ++k)
          z += values[static_cast<std::size_t>(layout.weight(i).offset) + o * h.size() + k] * h[k];
        next[o] = i + 1 < shape.layers() ? activation_definition(shape.activation, z) : z;
      }
      h.swap(next);
    }
    double exponentials = 0, sum = 0;
    for (const double z : h) exponentials += std::exp(z), sum += z;
    const double log_sum = std::log(exponentials), mean = sum / static_cast<double>(h.size());
    const auto label = static_cast<std::size_t>(labels[r]);
    score.loss += (1 - smoothing) * (log_sum - h[label]) + smoothing * (log_sum - mean);
    score.correct += std::max_element(h.begin(), h.end()) - h.begin() == labels[r];
  }
  score.loss /= static_cast<double>(labels.size());
  return score;
}

}  // namespace softwarp
