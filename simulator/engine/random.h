#pragma once

#include <cstdint>

namespace softwarp::simulator {

// The source of every order the simulator chooses (SplitMix64, Steele et al. 2014).
inline std::uint64_t random_state = 1;

// A number below `bound`, which is not 0.
inline std::uint32_t draw(std::uint32_t bound) {
  std::uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32) % bound;
}

}  // namespace softwarp::simulator
