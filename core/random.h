#pragma once

#include <Random123/philox.h>
#include <softwarp/matrix_view.h>

#include <cstdint>

namespace softwarp {

// Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC'11). A value depends on
// (seed, purpose, step, index) alone, so every device, order and thread count draws the same ones.
enum class RandomPurpose : std::uint32_t {
  initial_weights,
  permutation,
  dropout,
  split,
  test,
  affine,
  elastic
};

using RandomWords = r123::Philox4x32::ctr_type;

// Four independent 32-bit words. `index` counts groups of four within a step; `stream` tells apart
// uses within one step, such as the layers that drop out.
SOFTWARP_HD inline RandomWords random_words(std::uint64_t seed, RandomPurpose purpose, std::uint32_t stream,
                                            std::uint32_t step, std::uint64_t index) {
  const r123::Philox4x32::key_type key = {
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
  const RandomWords counter = {{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                                step, static_cast<std::uint32_t>(purpose) << 24 | stream}};
  return r123::Philox4x32()(counter, key);
}

// A word as a uniform float in [0, 1): its 24 highest bits.
SOFTWARP_HD inline float uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

// An epoch's order is its samples sorted by these keys; of equal keys the lower index comes first.
SOFTWARP_HD inline std::uint32_t permutation_key(std::uint64_t seed, std::int64_t epoch, std::int64_t index) {
  return random_words(seed, RandomPurpose::permutation, 0, static_cast<std::uint32_t>(epoch),
                      static_cast<std::uint64_t>(index))[0];
}

}  // namespace softwarp
