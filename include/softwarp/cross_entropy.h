#pragma once

/// @file
/// Cross-entropy of softmax, and its gradient. The options and sums serve every device; the functions run on
/// a GPU, under softmax.h's rules for types, shapes, memory, streams and errors.

#include <softwarp/matrix_view.h>
#include <softwarp/workspace.h>

#include <cstddef>
#include <cstdint>

namespace softwarp {

/// PyTorch's default for a target that is not counted.
inline constexpr std::int32_t kIgnoreIndex = -100;

/// loss = (1 - e) w[t] nll(t) + e/N sum_j w[j] nll(j), with nll(j) = log sum_k exp(x_k) - x_j, w = 1 unless
/// given, N the number of classes. The mean over rows divides by the sum of w[t] over the rows that are not
/// ignored. (PyTorch's CrossEntropyLoss; label smoothing of Szegedy et al., arXiv:1512.00567)
struct CrossEntropyOptions {
  const float* class_weights = nullptr;      ///< w [cols], in the device's memory; null: all 1
  float label_smoothing = 0;                 ///< e, in [0, 1]
  std::int32_t ignore_index = kIgnoreIndex;  ///< rows with this target count for nothing
  /// The caller's promise that every target is a class and not ignored, and that there are no class weights.
  /// The mean is then over the rows, and a GPU need not look for their weight first.
  bool assume_all_valid = false;
};

/// Sums over the rows that cross-entropy has seen since the caller set them to zero.
struct CrossEntropySums {
  double loss = 0;           ///< sum of the rows' losses, natural logarithm, each weighted by its class
  double weight = 0;         ///< sum of those weights: loss / weight is the mean
  std::int64_t correct = 0;  ///< rows whose largest logit is the target's
  std::int64_t rows = 0;     ///< rows not ignored
  std::int64_t invalid_targets = 0;  ///< rows whose target is no class
  std::int64_t finite_rows = 0;      ///< `rows` after the last call that left `loss` finite
};

/// Bytes of workspace that softmax_cross_entropy needs for logits [rows, cols] of `element_bytes` each on the
/// current device: zeroed before its first use and left zeroed where it matters.
[[nodiscard]] std::size_t cross_entropy_workspace_bytes(std::int64_t rows, std::int64_t cols,
                                                        int element_bytes);

/// The loss and its gradient in one pass over the logits.
///
/// logits [rows, cols], cols below 2^31; targets [rows]; losses [rows] may be null; dlogits [rows, cols] may
/// be the logits' own memory, or a view without data for the loss alone. *weight is the sum of w[t] over the
/// rows that are not ignored, as cross_entropy_weight writes it; null: the number of rows, for when none is
/// ignored and none is weighted. dlogits is the gradient of the mean, (softmax - onehot) w[t] / *weight, and
/// 0 where ignored. Adds to *sums, always in the same order. A target that is neither a class nor ignored
/// makes its loss and its gradients NaN, and is counted. All pointers are to device memory.
///
/// One launch; two where rows are so few and long that they are split over blocks. There the last bits of a
/// loss depend on the number of rows; otherwise a loss is as batch invariant as in softmax.h.
template <class T>
void softmax_cross_entropy(ConstMatrixView<T> logits, const std::int32_t* targets,
                           const CrossEntropyOptions& options, const float* weight, float* losses,
                           MatrixView<T> dlogits, CrossEntropySums* sums, Workspace workspace,
                           cudaStream_t stream);

/// *weight = the sum of w[t] over the targets [rows] that are classes, of 0..cols - 1, and not ignored. One
/// launch of one block.
void cross_entropy_weight(const std::int32_t* targets, std::int64_t rows, std::int64_t cols,
                          const CrossEntropyOptions& options, float* weight, cudaStream_t stream);

}  // namespace softwarp
