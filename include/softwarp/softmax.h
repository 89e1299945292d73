#pragma once

/// @file
/// Softmax along the rows of a matrix, its logarithm, and the backward of
/// both, on a GPU.
///
/// Types: T is float, double, __half or __nv_bfloat16. Sums are float, of doubles double. A result is rounded
/// once, when it is stored.
///
/// Shapes: a matrix has any number of rows, at least one column, and any stride of at least a row. The
/// matrices of a call have one shape. Other shapes throw std::invalid_argument.
///
/// Memory: all memory is the device's, at any address that suits the type. The result may be one of the
/// inputs, that is the same memory with the same stride, if their types are the same; otherwise it overlaps
/// none of them.
///
/// Streams and graphs: a call queues its work on `stream` and returns; null is the default stream. A launch
/// that fails throws softwarp::Error. No call allocates memory. A call can be captured in a graph after it
/// has been made once outside a capture. Calls on several streams may run at the same time; each needs a
/// workspace of its own, or none.
///
/// Cost: one launch writes each element once. It reads each element once if the registers or the shared
/// memory of a block (of a cluster, from compute capability 9.0 on) can hold the row, and up to twice
/// otherwise.
///
/// Values: NaN, +inf or no finite element make a row NaN. -inf becomes exactly 0, and its logarithm -inf.
///
/// Reproducibility: the same call gives the same bits from run to run. Without a workspace rows are batch
/// invariant: a row's bits do not depend on the number of rows, on other rows, or on its place among them.
/// They depend on its values, the number of columns, the types, the device, the strides, and the addresses
/// modulo 16 bytes. If 16 bytes divide first addresses and strides, equal rows give equal bits in every
/// batch. With a workspace this holds for rows that are not split (<softwarp/workspace.h>).

#include <softwarp/matrix_view.h>
#include <softwarp/workspace.h>

#include <type_traits>

namespace softwarp {

/// A matrix that is only read, as a parameter from which T is not deduced.
template <class T>
using Const = std::type_identity_t<ConstMatrixView<T>>;

/// Computes y_i = exp(x_i - m) / sum_k exp(x_k - m) of each row; m is the row's maximum. x and y are [rows,
/// cols]. With a workspace of kSplitRowWorkspaceBytes, long rows may be split over blocks.
template <class T>
void softmax(Const<T> x, MatrixView<T> y, Workspace workspace, cudaStream_t stream);

/// Computes y_i = x_i - m - log sum_k exp(x_k - m) of each row; m is the row's maximum. x and y are [rows,
/// cols]. The workspace is as in softmax.
template <class T>
void log_softmax(Const<T> x, MatrixView<T> y, Workspace workspace, cudaStream_t stream);

/// Computes softmax from elements of 16 bits to float. T is __half or __nv_bfloat16; x and y do not overlap.
template <class T>
void softmax_to_float(ConstMatrixView<T> x, MatrixView<float> y, Workspace workspace, cudaStream_t stream);
/// Computes log_softmax from elements of 16 bits to float. T is __half or __nv_bfloat16; x and y do not
/// overlap.
template <class T>
void log_softmax_to_float(ConstMatrixView<T> x, MatrixView<float> y, Workspace workspace,
                          cudaStream_t stream);

/// Computes dx = y ⊙ (dy - sum(dy ⊙ y)) of each row, y = softmax(x): the product of the Jacobian diag(y) - y
/// yᵀ with dy, without the matrix. y, dy and dx are [rows, cols].
template <class T>
void softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, Workspace workspace, cudaStream_t stream);

/// Computes dx = dy - exp(y) sum(dy) of each row, y = log_softmax(x). y, dy and dx are [rows, cols].
template <class T>
void log_softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, Workspace workspace,
                          cudaStream_t stream);

/// Computes the Jacobian J_ij = y_i (delta_ij - y_j) of each row, y = softmax(x). y is [rows, cols], jacobian
/// is [rows * cols, cols]: row r's block begins at row r * cols. The Jacobian does not overlap y.
template <class T>
void softmax_jacobian(Const<T> y, MatrixView<T> jacobian, cudaStream_t stream);

/// Computes softmax without a workspace: no row is split.
template <class T>
void softmax(Const<T> x, MatrixView<T> y, cudaStream_t stream) {
  softmax<T>(x, y, Workspace{}, stream);
}
/// Computes log_softmax without a workspace: no row is split.
template <class T>
void log_softmax(Const<T> x, MatrixView<T> y, cudaStream_t stream) {
  log_softmax<T>(x, y, Workspace{}, stream);
}
/// Computes softmax_backward without a workspace: no row is split.
template <class T>
void softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, cudaStream_t stream) {
  softmax_backward<T>(y, dy, dx, Workspace{}, stream);
}
/// Computes log_softmax_backward without a workspace: no row is split.
template <class T>
void log_softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, cudaStream_t stream) {
  log_softmax_backward<T>(y, dy, dx, Workspace{}, stream);
}

}  // namespace softwarp
