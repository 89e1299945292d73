#pragma once

#include <softwarp/optimizer.h>

#include <cstdint>

#include "core/random.h"

namespace softwarp {

inline constexpr std::int64_t kDropoutGroup = 8;  // elements that share one Philox call: 16 bits each

// Inverted dropout (Srivastava et al., JMLR 15, 2014): an element survives with probability 1 - rate and is
// then divided by it. The rate is rounded to 1/65536.
struct Dropout {
  std::uint32_t threshold;
  float scale;

  SOFTWARP_HD explicit Dropout(float rate)
      : threshold(static_cast<std::uint32_t>(rate * 65536.0f + 0.5f)),
        scale(65536.0f / static_cast<float>(65536u - (threshold < 65535u ? threshold : 65535u))) {}

  // An element that drew these 16 bits.
  SOFTWARP_HD bool keeps(std::uint32_t bits) const { return bits >= threshold; }
  // Element i, 0..7, of the group that `words` belongs to.
  SOFTWARP_HD bool keeps(const RandomWords& words, int i) const {
    const std::uint32_t word = words.v[i / 2];
    return keeps(i % 2 == 0 ? word & 0xffffu : word >> 16);
  }
};

SOFTWARP_HD inline RandomWords dropout_words(const TrainingState& state, std::int32_t layer,
                                             std::int64_t group) {
  return random_words(state.seed, RandomPurpose::dropout, static_cast<std::uint32_t>(layer),
                      static_cast<std::uint32_t>(state.step), static_cast<std::uint64_t>(group));
}

}  // namespace softwarp
