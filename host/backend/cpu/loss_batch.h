#pragma once

#include <softwarp/matrix_view.h>

#include <cstdint>

namespace softwarp::cpu {

// A block of rows' part of the sums.
struct BlockLoss {
  double loss = 0;
  std::int64_t correct = 0;
};

struct TargetCounts {
  std::int64_t counted = 0, invalid = 0;  // not ignored, and of these the ones that are no class
};

// The arguments of softmax_cross_entropy, and the batch's part of the formulas in cross_entropy.cpp.
struct LossBatch {
  ConstMatrixView<float> x;
  const std::int32_t* targets;
  float* losses;         // may be null
  MatrixView<float> dx;  // data may be null: then only the loss is wanted
  const float* class_weights;
  std::int32_t ignore_index;
  double smoothing;               // e
  double share;                   // e / N
  bool assume_all_valid = false;  // each target is a class and not ignored
  double class_weight_sum = 0;    // W
  double inverse_weight = 0;      // 1 / the sum of w_t over the rows that count

  float weight(std::int64_t j) const { return class_weights != nullptr ? class_weights[j] : 1.0f; }
  bool counts(std::int32_t t) const {
    return assume_all_valid || (t != ignore_index && t >= 0 && t < x.cols);
  }
};

}  // namespace softwarp::cpu
