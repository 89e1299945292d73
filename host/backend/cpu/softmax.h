#pragma once

#include <softwarp/any_matrix.h>
#include <softwarp/backend.h>
#include <softwarp/cross_entropy.h>
#include <softwarp/matrix_view.h>

#include <cstdint>

#include "host/backend/cpu/loss_batch.h"

// Softmax and what is built on it, on the CPU: vector code chosen for the machine when the program runs
// (Highway), spread over OpenMP's threads. Contracts as in backend.h; any alignment, any stride, in place.
// Results are the same bits for any number of threads, and a row's bits depend on its values, the number of
// columns and the machine's instructions alone: not on the number of rows, nor on addresses and strides.
namespace softwarp::cpu {

// Of any type.
void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y);
void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx);
void jacobian(const ConstAnyMatrix& y, const AnyMatrix& jacobian);

void softmax_cross_entropy(ConstMatrixView<float> logits, const std::int32_t* targets,
                           const CrossEntropyOptions& options, float* losses, MatrixView<float> dlogits,
                           CrossEntropySums* sums);
// Writes the losses and gradients of the rows of batch.x, and returns `sums` with their sums added.
BlockLoss cross_entropy_rows(const LossBatch& batch, BlockLoss sums = {});
void argmax(const ConstAnyMatrix& x, std::int32_t* best);

}  // namespace softwarp::cpu
