#pragma once

/// @file
/// Cross-entropy of softmax, and its gradient. The options and sums serve every device. The functions run on
/// a GPU; <softwarp/softmax.h> has the rules for types, strides, streams, graphs and errors.

#include <softwarp/matrix_view.h>
#include <softwarp/workspace.h>

#include <cstddef>
#include <cstdint>

namespace softwarp {

/// PyTorch's default for a target that is not counted.
inline constexpr std::int32_t kIgnoreIndex = -100;

/// Options of the loss, as in PyTorch's CrossEntropyLoss.
///
/// loss = (1 - e) w[t] nll(t) + e/N sum_j w[j] nll(j), with nll(j) = log sum_k exp(x_k) - x_j, t the row's
/// target, N the number of classes. The mean over rows divides by the sum of w[t] over the rows that are not
/// ignored. Label smoothing: Szegedy et al., arXiv:1512.00567.
struct CrossEntropyOptions {
  const float* class_weights = nullptr;  ///< w [cols], in the device's memory; null: all 1
  float label_smoothing = 0;             ///< e, in [0, 1]
  std::int32_t ignore_index =
      kIgnoreIndex;  ///< rows with this target are not counted, and their gradient is 0
  /// The caller promises that every target is a class and not ignored, and that there are no class weights.
  /// The mean then divides by the number of rows, which saves Backend::softmax_cross_entropy a launch on a
  /// GPU.
  bool assume_all_valid = false;
  /// The rows of a batch of which the call's rows are a part: the gradient is that of the mean over so many.
  /// Needs assume_all_valid. 0: the call's rows are the whole batch.
  std::int64_t batch_rows = 0;
};

/// Sums over rows. The caller sets them to zero, and each call adds to them.
struct CrossEntropySums {
  double loss = 0;           ///< sum of the rows' losses, natural logarithm, each weighted by its class
  double weight = 0;         ///< sum of those weights: loss / weight is the mean
  std::int64_t correct = 0;  ///< rows whose largest logit is the target's
  std::int64_t rows = 0;     ///< rows not ignored
  std::int64_t invalid_targets = 0;  ///< rows whose target is no class; their loss and gradient are NaN
  std::int64_t finite_rows = 0;      ///< `rows` after the last call that left `loss` finite
};

/// Bytes of workspace that softmax_cross_entropy needs for logits [rows, cols] of `element_bytes` each on the
/// current device. The caller zeroes the workspace before its first use; calls leave zero what must be zero.
[[nodiscard]] std::size_t cross_entropy_workspace_bytes(std::int64_t rows, std::int64_t cols,
                                                        int element_bytes);

/// Computes the loss of each row and the gradient of the mean loss in one pass over the logits.
///
/// logits is [rows, cols] with cols below 2^31, targets is [rows]. `losses` [rows] may be null. dlogits
/// [rows, cols] may be the logits' own memory, or a view without data for the loss alone. `*weight` is the
/// sum of w[t] over the rows that are not ignored, as cross_entropy_weight writes it; a null `weight` stands
/// for the number of rows, which is right if none is ignored and there are no class weights. Without
/// smoothing dlogits is (softmax - onehot) w[t] / `*weight`; an ignored row gets 0. The call adds to `*sums`,
/// always in the same order. A target that is neither a class nor ignored makes the row's loss and gradient
/// NaN, and is counted. All pointers are to device memory.
///
/// One launch; two if rows are so few and long that they are split over blocks. The last bits of such a row's
/// loss depend on the number of rows; other losses are batch invariant, as <softwarp/softmax.h> says.
template <class T>
void softmax_cross_entropy(ConstMatrixView<T> logits, const std::int32_t* targets,
                           const CrossEntropyOptions& options, const float* weight, float* losses,
                           MatrixView<T> dlogits, CrossEntropySums* sums, Workspace workspace,
                           cudaStream_t stream);

/// Writes to `*weight` the sum of w[t] over the targets [rows] that are classes (0..cols - 1) and not
/// ignored. All pointers are to device memory. One launch of one block.
void cross_entropy_weight(const std::int32_t* targets, std::int64_t rows, std::int64_t cols,
                          const CrossEntropyOptions& options, float* weight, cudaStream_t stream);

}  // namespace softwarp
