#pragma once

/// @file
/// Softmax over the middle axis of a packed tensor, its logarithm, and the backward of both, on a GPU: under
/// softmax.h's rules for types, memory, streams, values and errors. The tensors of a call have one shape.

#include <softwarp/matrix_view.h>
#include <softwarp/workspace.h>

#include <cstdint>
#include <type_traits>

namespace softwarp {

/// A packed tensor [outer, cols, inner] in memory that somebody else owns, for functions of its middle axis:
/// element (o, j, i) is data[(o * cols + j) * inner + i]. A tensor of more axes has this form for each of
/// them.
template <class T>
struct AxisView {
  T* data = nullptr;       ///< element (0, 0, 0)
  std::int64_t outer = 0;  ///< product of the sizes before the axis
  std::int64_t cols = 0;   ///< size of the axis
  std::int64_t inner = 0;  ///< product of the sizes behind the axis

  /// Elements.
  std::int64_t size() const { return outer * cols * inner; }
};

/// A tensor that is only read, as a parameter from which T is not deduced.
template <class T>
using ConstAxis = std::type_identity_t<AxisView<const T>>;

/// Computes softmax over the middle axis of a packed tensor [outer, cols, inner]: each of the outer * inner
/// columns is normalized. y may be x. One launch reads and writes each element once if 512 threads can hold
/// 32 bytes' width of columns, and reads twice otherwise. A column's bits do not depend on outer. They depend
/// on inner and the addresses only by this: 16 bytes divide the addresses and the bytes of inner elements, or
/// they do not.
template <class T>
void softmax(ConstAxis<T> x, AxisView<T> y, cudaStream_t stream);
/// Computes log_softmax over the middle axis, as softmax does.
template <class T>
void log_softmax(ConstAxis<T> x, AxisView<T> y, cudaStream_t stream);
/// Computes softmax_backward over the middle axis; dx may be y or dy.
template <class T>
void softmax_backward(ConstAxis<T> y, ConstAxis<T> dy, AxisView<T> dx, cudaStream_t stream);
/// Computes log_softmax_backward over the middle axis; dx may be y or dy.
template <class T>
void log_softmax_backward(ConstAxis<T> y, ConstAxis<T> dy, AxisView<T> dx, cudaStream_t stream);

}  // namespace softwarp
