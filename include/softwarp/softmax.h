#pragma once

/// @file
/// Softmax along the rows of a matrix, its logarithm, and the backward of
/// both, on a GPU.
///
/// Types: T is float, double, __half or __nv_bfloat16. Sums are float, for double double; a result is rounded
/// once, when it is stored.
/// Shapes: any number of rows, 0 among them, and of columns above 0; any stride of at least a row; the
/// matrices of a call have one shape. Other shapes throw std::invalid_argument.
/// Memory: device memory, at any address that suits the type; x and y, or dx and one of its inputs, may be
/// the same matrix; otherwise they do not overlap.
/// Stream: work is queued on `stream` and not waited for; null is the default stream. A launch that fails
/// throws softwarp::Error. Nothing is allocated: a call can be captured in a graph once it has been made
/// outside a capture. A launch without a workspace may run beside another on another stream.
/// Cost: one launch that reads an element once, if a block's shared memory (a cluster's, from compute
/// capability 9.0 on) can hold the row, and writes it once.
/// Values: NaN, +inf or no finite element make a row NaN; -inf becomes exactly 0 (its logarithm -inf).
///
/// Results are the same bits from run to run. Batch invariance: without a workspace a row's bits do not
/// depend on the number of rows, on other rows, or on which of them it is. They depend on its values, the
/// number of columns, the types, the device, the strides and its addresses modulo 16 bytes: where 16 bytes
/// divide first addresses and strides, equal rows give equal bits in every batch. With a workspace this holds
/// for rows that are not split (workspace.h).

#include <softwarp/matrix_view.h>
#include <softwarp/workspace.h>

#include <type_traits>

namespace softwarp {

/// A matrix that is read; T is not deduced from it.
template <class T>
using Const = std::type_identity_t<ConstMatrixView<T>>;
/// y_i = exp(x_i - m) / sum_k exp(x_k - m), m the row's maximum. x, y [rows, cols].
template <class T>
void softmax(Const<T> x, MatrixView<T> y, Workspace workspace, cudaStream_t stream);

/// y_i = x_i - m - log sum_k exp(x_k - m), m the row's maximum. x, y [rows, cols].
template <class T>
void log_softmax(Const<T> x, MatrixView<T> y, Workspace workspace, cudaStream_t stream);

/// softmax from elements of 16 bits to float. T is __half or __nv_bfloat16.
template <class T>
void softmax_to_float(ConstMatrixView<T> x, MatrixView<float> y, Workspace workspace, cudaStream_t stream);
/// log_softmax from elements of 16 bits to float. T is __half or __nv_bfloat16.
template <class T>
void log_softmax_to_float(ConstMatrixView<T> x, MatrixView<float> y, Workspace workspace,
                          cudaStream_t stream);

/// dx = y ⊙ (dy - <dy, y>), y = softmax(x): the product of the Jacobian diag(y) - y yᵀ with dy, without the
/// matrix. y, dy, dx [rows, cols].
template <class T>
void softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, Workspace workspace, cudaStream_t stream);

/// dx = dy - exp(y) sum(dy), y = log_softmax(x). y, dy, dx [rows, cols].
template <class T>
void log_softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, Workspace workspace,
                          cudaStream_t stream);

/// jacobian [rows * cols, cols]: row r's block is J_ij = y_i (delta_ij - y_j), y = softmax(x) [rows, cols].
/// The Jacobian has memory of its own.
template <class T>
void softmax_jacobian(Const<T> y, MatrixView<T> jacobian, cudaStream_t stream);

/// Without a workspace: no row is split.
template <class T>
void softmax(Const<T> x, MatrixView<T> y, cudaStream_t stream) {
  softmax<T>(x, y, Workspace{}, stream);
}
/// Without a workspace: no row is split.
template <class T>
void log_softmax(Const<T> x, MatrixView<T> y, cudaStream_t stream) {
  log_softmax<T>(x, y, Workspace{}, stream);
}
/// Without a workspace: no row is split.
template <class T>
void softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, cudaStream_t stream) {
  softmax_backward<T>(y, dy, dx, Workspace{}, stream);
}
/// Without a workspace: no row is split.
template <class T>
void log_softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, cudaStream_t stream) {
  log_softmax_backward<T>(y, dy, dx, Workspace{}, stream);
}

}  // namespace softwarp
