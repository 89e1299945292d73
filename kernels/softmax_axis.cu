// The launches of axis.cuh.

#include <softwarp/softmax.h>

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

// The tensor as a matrix, for whom only its address matters.
template <class T>
MatrixView<T> flat(AxisView<T> v) {
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
  launch_axis(Softmax<T, T, kLog>{{}, flat(x), flat(y)}, x.outer, x.cols, x.inner, aligned(x) && aligned(y),
              stream);
}

template <bool kLog, class T>
void backward(AxisView<const T> y, AxisView<const T> dy, AxisView<T> dx, cudaStream_t stream) {
  expect_same_shape<T>(y, dy);
  expect_same_shape<T>(y, {dx.data, dx.outer, dx.cols, dx.inner});
  launch_axis(SoftmaxBackward<T, kLog>{{}, flat(y), flat(dy), flat(dx)}, y.outer, y.cols, y.inner,
              aligned(y) && aligned(dy) && aligned(dx), stream);
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

template void softmax<double>(ConstAxis<double>, AxisView<double>, cudaStream_t);
template void softmax<float>(ConstAxis<float>, AxisView<float>, cudaStream_t);
template void softmax<__half>(ConstAxis<__half>, AxisView<__half>, cudaStream_t);
template void softmax<__nv_bfloat16>(ConstAxis<__nv_bfloat16>, AxisView<__nv_bfloat16>, cudaStream_t);
template void log_softmax<double>(ConstAxis<double>, AxisView<double>, cudaStream_t);
template void log_softmax<float>(ConstAxis<float>, AxisView<float>, cudaStream_t);
template void log_softmax<__half>(ConstAxis<__half>, AxisView<__half>, cudaStream_t);
template void log_softmax<__nv_bfloat16>(ConstAxis<__nv_bfloat16>, AxisView<__nv_bfloat16>, cudaStream_t);
template void softmax_backward<double>(ConstAxis<double>, ConstAxis<double>, AxisView<double>, cudaStream_t);
template void softmax_backward<float>(ConstAxis<float>, ConstAxis<float>, AxisView<float>, cudaStream_t);
template void softmax_backward<__half>(ConstAxis<__half>, ConstAxis<__half>, AxisView<__half>, cudaStream_t);
template void softmax_backward<__nv_bfloat16>(ConstAxis<__nv_bfloat16>, ConstAxis<__nv_bfloat16>,
                                              AxisView<__nv_bfloat16>, cudaStream_t);
template void log_softmax_backward<double>(ConstAxis<double>, ConstAxis<double>, AxisView<double>,
                                           cudaStream_t);
template void log_softmax_backward<float>(ConstAxis<float>, ConstAxis<float>, AxisView<float>, cudaStream_t);
template void log_softmax_backward<__half>(ConstAxis<__half>, ConstAxis<__half>, AxisView<__half>,
                                           cudaStream_t);
template void log_softmax_backward<__nv_bfloat16>(ConstAxis<__nv_bfloat16>, ConstAxis<__nv_bfloat16>,
                                                  AxisView<__nv_bfloat16>, cudaStream_t);

}  // namespace softwarp
