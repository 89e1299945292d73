#pragma once

// Softmax along the rows of a matrix, its logarithm, and the backward of both, on a GPU. T is float, double,
// __half or __nv_bfloat16; sums are float, for double double, and are rounded once, when a result is stored.
// Any number of rows and of columns above 0, any address, any stride; the matrices of a call have one shape;
// x and y, or dx and one of its inputs, may be the same memory. Other shapes throw std::invalid_argument, a
// launch that fails throws Error. Results are the same bits from run to run.
//
// Batch invariance: without a workspace a row's bits do not depend on the number of rows, on other rows, or
// on which of them it is. They depend on its values, the number of columns, the types, the device, the
// strides and its addresses modulo 16 bytes: where 16 bytes divide first addresses and strides, equal rows
// give equal bits in every batch. With one this holds for rows that are not split (workspace.h).
//
// Each is one launch that reads a row once if a block's shared memory (a cluster's, from compute
// capability 9.0 on) can hold it. NaN, +inf or no finite element make a row NaN, -inf becomes exactly 0.

#include <cuda_runtime.h>

#include <type_traits>

#include "kernels/matrix_view.h"
#include "kernels/workspace.h"

namespace softwarp {

template <class T>
using Const = std::type_identity_t<ConstMatrixView<T>>;

// y_i = exp(x_i - m) / sum_k exp(x_k - m), m the row's maximum.
template <class T>
void softmax(Const<T> x, MatrixView<T> y, Workspace workspace, cudaStream_t stream);

// y_i = x_i - m - log sum_k exp(x_k - m)
template <class T>
void log_softmax(Const<T> x, MatrixView<T> y, Workspace workspace, cudaStream_t stream);

// The same from 16-bit elements to float ones.
template <class T>
void softmax_to_float(ConstMatrixView<T> x, MatrixView<float> y, Workspace workspace, cudaStream_t stream);
template <class T>
void log_softmax_to_float(ConstMatrixView<T> x, MatrixView<float> y, Workspace workspace,
                          cudaStream_t stream);

// dx = y ⊙ (dy - <dy, y>), y = softmax(x): the product of the Jacobian diag(y) - y yᵀ with dy, without the
// matrix.
template <class T>
void softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, Workspace workspace, cudaStream_t stream);

// dx = dy - exp(y) sum(dy), y = log_softmax(x).
template <class T>
void log_softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, Workspace workspace,
                          cudaStream_t stream);

// jacobian [rows * cols, cols]: row r's block is J_ij = y_i (delta_ij - y_j), y = softmax(x).
template <class T>
void softmax_jacobian(Const<T> y, MatrixView<T> jacobian, cudaStream_t stream);

// Without a workspace, no row is split.
template <class T>
void softmax(Const<T> x, MatrixView<T> y, cudaStream_t stream) {
  softmax<T>(x, y, Workspace{}, stream);
}
template <class T>
void log_softmax(Const<T> x, MatrixView<T> y, cudaStream_t stream) {
  log_softmax<T>(x, y, Workspace{}, stream);
}
template <class T>
void softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, cudaStream_t stream) {
  softmax_backward<T>(y, dy, dx, Workspace{}, stream);
}
template <class T>
void log_softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, cudaStream_t stream) {
  log_softmax_backward<T>(y, dy, dx, Workspace{}, stream);
}

}  // namespace softwarp
