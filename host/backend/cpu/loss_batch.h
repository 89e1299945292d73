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

// The arguments of softmax_cross_entropy, and the batch's part of the formulas in cross_entropy.cpp. T is
// float or double.
template <class T>
struct BasicLossBatch {
  ConstMatrixView<T> x;
  const std::int32_t* targets = nullptr;
  T* losses = nullptr;  // may be null
  MatrixView<T> dx;     // data may be null: then only the loss is wanted
  const T* class_weights = nullptr;
  std::int32_t ignore_index = 0;
  double smoothing = 0;           // e
  double share = 0;               // e / N
  bool assume_all_valid = false;  // each target is a class and not ignored
  double class_weight_sum = 0;    // W
  double inverse_weight = 0;      // 1 / the sum of w_t over the rows that count
  const T* dloss = nullptr;       // by which each row's gradient is multiplied; null: 1

  T weight(std::int64_t j) const { return class_weights != nullptr ? class_weights[j] : T(1); }
  bool counts(std::int32_t t) const {
    return assume_all_valid || (t != ignore_index && t >= 0 && t < x.cols);
  }
};
using LossBatch = BasicLossBatch<float>;

}  // namespace softwarp::cpu
