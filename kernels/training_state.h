#pragma once

#include <cstdint>

namespace softwarp {

// The state that each training step changes. It lives in the device's memory and the optimizer
// advances it there, so that a recorded step can be replayed without telling the device anything.
struct TrainingState {
  std::uint64_t seed = 0;
  std::int64_t step = 0;      // optimizer steps since training began
  std::int64_t position = 0;  // the next sample of this epoch's permutation
  std::int64_t first_nonfinite_step =
      0;                      // the first step, from 1, that made a parameter NaN or infinite; 0: none has
  std::uint32_t arrived = 0;  // of a running kernel's blocks, those that have read the rest
  std::uint32_t unused = 0;
};

// Sums over the rows that cross-entropy has seen since somebody set them to zero.
struct CrossEntropySums {
  double loss = 0;                   // sum of the rows' losses, each weighted by its class
  double weight = 0;                 // sum of those weights: loss / weight is the mean
  std::int64_t hits = 0;             // rows whose largest logit is the target's
  std::int64_t rows = 0;             // rows not ignored
  std::int64_t invalid_targets = 0;  // rows whose target is no class
  std::int64_t finite_rows = 0;      // `rows` after the last call that left `loss` finite
};

}  // namespace softwarp
