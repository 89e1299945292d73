#pragma once

// Softmax, cross-entropy and its gradient in one pass over the logits, on a GPU.

#include <cuda_runtime.h>

#include "kernels/cross_entropy.h"
#include "kernels/workspace.h"

namespace softwarp {

// The workspace that softmax_cross_entropy needs: zeroed before its first use and left zeroed where it
// matters, for one call at a time.
[[nodiscard]] std::size_t cross_entropy_workspace_bytes(std::int64_t rows, std::int64_t cols,
                                                        int element_bytes);

// logits [rows, cols] of float, double, __half or __nv_bfloat16; targets [rows]; losses [rows] may be null;
// dlogits may be the logits' own memory, or a view without data for the loss alone. *weight is the sum of
// w[t] over the rows that are not ignored, as cross_entropy_weight writes it; null: the number of rows, for
// when none is ignored and none is weighted. dlogits is the gradient of the mean, (softmax - onehot) w[t] /
// *weight, and 0 where ignored. Adds to *sums, always in the same order. A target that is neither a class nor
// ignored makes its loss and its gradients NaN, and is counted. One launch; two where rows are so few and
// long that they are split over blocks. There the last bits of a loss depend on the number of rows; otherwise
// a loss is as batch invariant as in softmax.h. Shapes, addresses and errors as there.
template <class T>
void softmax_cross_entropy(ConstMatrixView<T> logits, const std::int32_t* targets,
                           const CrossEntropyOptions& options, const float* weight, float* losses,
                           MatrixView<T> dlogits, CrossEntropySums* sums, Workspace workspace,
                           cudaStream_t stream);

// *weight = the sum of w[t] over the targets [rows] that are classes, of 0..cols - 1, and not ignored.
void cross_entropy_weight(const std::int32_t* targets, std::int64_t rows, std::int64_t cols,
                          const CrossEntropyOptions& options, float* weight, cudaStream_t stream);

}  // namespace softwarp
