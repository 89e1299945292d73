#pragma once

#include <softwarp/cross_entropy.h>
#include <softwarp/matrix_view.h>

#include <cstdint>

// Softmax and what is built on it, on the CPU: vector code chosen for the machine when the program runs
// (Highway), spread over OpenMP's threads. Contracts as in backend.h; any alignment, any stride, in place.
// Results are the same bits for any number of threads, and a row's bits depend on its values, the number of
// columns and the machine's instructions alone: not on the number of rows, nor on addresses and strides.
namespace softwarp::cpu {

void softmax(ConstMatrixView<float> x, MatrixView<float> y);
void softmax(ConstMatrixView<double> x, MatrixView<double> y);
void log_softmax(ConstMatrixView<float> x, MatrixView<float> y);
void log_softmax(ConstMatrixView<double> x, MatrixView<double> y);
void softmax_backward(ConstMatrixView<float> y, ConstMatrixView<float> dy, MatrixView<float> dx);
void softmax_backward(ConstMatrixView<double> y, ConstMatrixView<double> dy, MatrixView<double> dx);
void log_softmax_backward(ConstMatrixView<float> y, ConstMatrixView<float> dy, MatrixView<float> dx);
void log_softmax_backward(ConstMatrixView<double> y, ConstMatrixView<double> dy, MatrixView<double> dx);
void softmax_jacobian(ConstMatrixView<float> y, MatrixView<float> jacobian);
void softmax_jacobian(ConstMatrixView<double> y, MatrixView<double> jacobian);

void softmax_cross_entropy(ConstMatrixView<float> logits, const std::int32_t* targets,
                           const CrossEntropyOptions& options, float* losses, MatrixView<float> dlogits,
                           CrossEntropySums* sums);
void argmax(ConstMatrixView<float> x, std::int32_t* best);

}  // namespace softwarp::cpu
