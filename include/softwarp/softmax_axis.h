#pragma once

/// @file
/// Softmax over the middle axis of a packed tensor, its logarithm, and the backward of both, on a GPU: under
/// softmax.h's rules for types, memory, streams, values and errors. The tensors of a call have one shape.

#include <softwarp/matrix_view.h>
#include <softwarp/workspace.h>

#include <cstdint>
#include <type_traits>

namespace softwarp {

/// A packed tensor [outer, cols, inner] in memory that somebody else owns, whose middle axis is reduced:
/// element (o, j, i) is data[(o * cols + j) * inner + i].
template <class T>
struct AxisView {
  T* data = nullptr;       ///< element (0, 0, 0)
  std::int64_t outer = 0;  ///< product of the sizes before the axis
  std::int64_t cols = 0;   ///< size of the axis
  std::int64_t inner = 0;  ///< product of the sizes behind the axis

  /// Elements.
  std::int64_t size() const { return outer * cols * inner; }
};

/// A tensor that is read; T is not deduced from it.
template <class T>
using ConstAxis = std::type_identity_t<AxisView<const T>>;

/// softmax over the middle axis: each of the outer * inner columns is normalized. One launch, which reads and
/// writes each element once where 512 threads can hold 32 bytes' width of columns, and otherwise reads twice.
/// A column's bits do not depend on outer, and on inner and the addresses only in whether 16 bytes divide all
/// of them.
template <class T>
void softmax(ConstAxis<T> x, AxisView<T> y, cudaStream_t stream);
/// log_softmax over the middle axis.
template <class T>
void log_softmax(ConstAxis<T> x, AxisView<T> y, cudaStream_t stream);
/// softmax_backward over the middle axis.
template <class T>
void softmax_backward(ConstAxis<T> y, ConstAxis<T> dy, AxisView<T> dx, cudaStream_t stream);
/// log_softmax_backward over the middle axis.
template <class T>
void log_softmax_backward(ConstAxis<T> y, ConstAxis<T> dy, AxisView<T> dx, cudaStream_t stream);

}  // namespace softwarp
