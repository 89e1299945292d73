#pragma once

// softmax.h over the middle dimension of packed tensors [outer, cols, inner]: each of the outer * inner
// columns is normalized. One launch, which reads and writes each element once where 512 threads can hold 32
// bytes' width of columns, and otherwise reads twice. Types, addresses, aliasing, numbers and errors as
// there. A column's bits do not depend on outer, and on inner and the addresses only in whether 16 bytes
// divide all of them.

#include <cuda_runtime.h>

#include <type_traits>

#include "kernels/axis.h"

namespace softwarp {

template <class T>
using ConstAxisView = std::type_identity_t<AxisView<const T>>;

template <class T>
void softmax(ConstAxisView<T> x, AxisView<T> y, cudaStream_t stream);
template <class T>
void log_softmax(ConstAxisView<T> x, AxisView<T> y, cudaStream_t stream);
template <class T>
void softmax_backward(ConstAxisView<T> y, ConstAxisView<T> dy, AxisView<T> dx, cudaStream_t stream);
template <class T>
void log_softmax_backward(ConstAxisView<T> y, ConstAxisView<T> dy, AxisView<T> dx, cudaStream_t stream);

}  // namespace softwarp
