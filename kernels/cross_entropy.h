#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/matrix_view.h"
#include "kernels/training_state.h"

namespace softwarp {

inline constexpr std::int32_t kIgnoreIndex = -100;

// loss = (1 - e) w[t] nll(t) + e/N sum_j w[j] nll(j), with nll(j) = log sum_k exp(x_k) - x_j, w = 1
// unless given, e the label smoothing. The mean over rows divides by the sum of w[t] over the rows
// that are not ignored. (PyTorch's CrossEntropyLoss; label smoothing of Szegedy et al., arXiv:1512.00567)
struct CrossEntropyOptions {
  const float* class_weights = nullptr;  // [cols], in the device's memory; null: all 1
  float label_smoothing = 0;             // e, in [0, 1]
  std::int32_t ignore_index = kIgnoreIndex;
  // A promise: every target is a class and not ignored, and there are no class weights. Then the mean is over
  // the rows, and a GPU need not look for their weight first.
  bool assume_all_valid = false;
};

}  // namespace softwarp
