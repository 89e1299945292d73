// Softmax and its backward over the middle axis of a tensor: the ops of softmax_op.cuh and
// softmax_backward_op.cuh on columns.

#include <softwarp/softmax_axis.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/axis.cuh"
#include "kernels/softmax_backward_op.cuh"
#include "kernels/softmax_op.cuh"

namespace softwarp {
namespace {

template <class T>
bool aligned(AxisView<T> v) {
  return reinterpret_cast<std::uintptr_t>(v.data) % kAccessBytes == 0;
}

// The tensor as a matrix, of which the op uses the address alone.
template <class T>
MatrixView<T> as_matrix(AxisView<T> v) {
  return matrix_view(v.data, v.outer * v.cols, v.inner);
}

template <class T>
void expect_same_shape(AxisView<const T> a, AxisView<const T> b,
                       std::source_location where = std::source_location::current()) {
  expects(a.outer == b.outer && a.cols == b.cols && a.inner == b.inner, "tensors of one shape", where);
  expects(a.outer >= 0 && a.cols > 0 && a.inner >= 0, "at least one column", where);
}

template <bool kLog, class T>
void forward(AxisView<const T> x, AxisView<T> y, cudaStream_t stream) {
  expect_same_shape<T>(x, {y.data, y.outer, y.cols, y.inner});
  launch_axis(Softmax<T, T, kLog>{{}, as_matrix(x), as_matrix(y)}, x.outer, x.cols, x.inner,
              aligned(x) && aligned(y), stream);
}

template <bool kLog, class T>
void backward(AxisView<const T> y, AxisView<const T> dy, AxisView<T> dx, cudaStream_t stream) {
  expect_same_shape<T>(y, dy);
  expect_same_shape<T>(y, {dx.data, dx.outer, dx.cols, dx.inner});
  launch_axis(SoftmaxBackward<T, kLog>{{}, as_matrix(y), as_matrix(dy), as_matrix(dx)}, y.outer, y.cols,
              y.inner, aligned(y) && aligned(dy) && aligned(dx), stream);
}

}  // namespace

template <class T>
void softmax(ConstAxis<T> x, AxisView<T> y, cudaStream_t stream) {
  forward<false, T>(x, y, stream);
}
template <class T>
void log_softmax(ConstAxis<T> x, AxisView<T> y, cudaStream_t stream) {
  forward<true, T>(x, y, stream);
}
template <class T>
void softmax_backward(ConstAxis<T> y, ConstAxis<T> dy, AxisView<T> dx, cudaStream_t stream) {
  backward<false, T>(y, dy, dx, stream);
}
template <class T>
void log_softmax_backward(ConstAxis<T> y, ConstAxis<T> dy, AxisView<T> dx, cudaStream_t stream) {
  backward<true, T>(y, dy, dx, stream);
}

// CMakeLists.txt compiles this file once for each element type.
template void softmax<SOFTWARP_T>(ConstAxis<SOFTWARP_T>, AxisView<SOFTWARP_T>, cudaStream_t);
template void log_softmax<SOFTWARP_T>(ConstAxis<SOFTWARP_T>, AxisView<SOFTWARP_T>, cudaStream_t);
template void softmax_backward<SOFTWARP_T>(ConstAxis<SOFTWARP_T>, ConstAxis<SOFTWARP_T>, AxisView<SOFTWARP_T>,
                                           cudaStream_t);
template void log_softmax_backward<SOFTWARP_T>(ConstAxis<SOFTWARP_T>, ConstAxis<SOFTWARP_T>,
                                               AxisView<SOFTWARP_T>, cudaStream_t);

}  // namespace softwarp
