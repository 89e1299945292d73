// The launches of middle.cuh.

#include "kernels/softmax_middle.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/middle.cuh"
#include "kernels/softmax_backward_op.cuh"
#include "kernels/softmax_op.cuh"

namespace softwarp {
namespace {

template <class T>
bool aligned(MiddleView<T> v) {
  return reinterpret_cast<std::uintptr_t>(v.data) % kAccessBytes == 0;
}

// The tensor as a matrix, for whom only its address matters.
template <class T>
MatrixView<T> flat(MiddleView<T> v) {
  return matrix_view(v.data, v.outer * v.cols, v.inner);
}

template <class T>
void expect_same_shape(MiddleView<const T> a, MiddleView<const T> b,
                       std::source_location where = std::source_location::current()) {
  expects(a.outer == b.outer && a.cols == b.cols && a.inner == b.inner, "tensors of one shape", where);
  expects(a.outer >= 0 && a.cols > 0 && a.inner >= 0, "at least one column", where);
}

template <bool kLog, class T>
void forward(MiddleView<const T> x, MiddleView<T> y, cudaStream_t stream) {
  expect_same_shape<T>(x, {y.data, y.outer, y.cols, y.inner});
  run_middle(Softmax<T, T, kLog>{flat(x), flat(y)}, x.outer, x.cols, x.inner, aligned(x) && aligned(y),
             stream);
}

template <bool kLog, class T>
void backward(MiddleView<const T> y, MiddleView<const T> dy, MiddleView<T> dx, cudaStream_t stream) {
  expect_same_shape<T>(y, dy);
  expect_same_shape<T>(y, {dx.data, dx.outer, dx.cols, dx.inner});
  run_middle(SoftmaxBackward<T, kLog>{flat(y), flat(dy), flat(dx)}, y.outer, y.cols, y.inner,
             aligned(y) && aligned(dy) && aligned(dx), stream);
}

}  // namespace

template <class T>
void softmax(ConstMiddle<T> x, MiddleView<T> y, cudaStream_t stream) {
  forward<false, T>(x, y, stream);
}
template <class T>
void log_softmax(ConstMiddle<T> x, MiddleView<T> y, cudaStream_t stream) {
  forward<true, T>(x, y, stream);
}
template <class T>
void softmax_backward(ConstMiddle<T> y, ConstMiddle<T> dy, MiddleView<T> dx, cudaStream_t stream) {
  backward<false, T>(y, dy, dx, stream);
}
template <class T>
void log_softmax_backward(ConstMiddle<T> y, ConstMiddle<T> dy, MiddleView<T> dx, cudaStream_t stream) {
  backward<true, T>(y, dy, dx, stream);
}

template void softmax<double>(ConstMiddle<double>, MiddleView<double>, cudaStream_t);
template void softmax<float>(ConstMiddle<float>, MiddleView<float>, cudaStream_t);
template void softmax<__half>(ConstMiddle<__half>, MiddleView<__half>, cudaStream_t);
template void softmax<__nv_bfloat16>(ConstMiddle<__nv_bfloat16>, MiddleView<__nv_bfloat16>, cudaStream_t);
template void log_softmax<double>(ConstMiddle<double>, MiddleView<double>, cudaStream_t);
template void log_softmax<float>(ConstMiddle<float>, MiddleView<float>, cudaStream_t);
template void log_softmax<__half>(ConstMiddle<__half>, MiddleView<__half>, cudaStream_t);
template void log_softmax<__nv_bfloat16>(ConstMiddle<__nv_bfloat16>, MiddleView<__nv_bfloat16>, cudaStream_t);
template void softmax_backward<double>(ConstMiddle<double>, ConstMiddle<double>, MiddleView<double>,
                                       cudaStream_t);
template void softmax_backward<float>(ConstMiddle<float>, ConstMiddle<float>, MiddleView<float>,
                                      cudaStream_t);
template void softmax_backward<__half>(ConstMiddle<__half>, ConstMiddle<__half>, MiddleView<__half>,
                                       cudaStream_t);
template void softmax_backward<__nv_bfloat16>(ConstMiddle<__nv_bfloat16>, ConstMiddle<__nv_bfloat16>,
                                              MiddleView<__nv_bfloat16>, cudaStream_t);
template void log_softmax_backward<double>(ConstMiddle<double>, ConstMiddle<double>, MiddleView<double>,
                                           cudaStream_t);
template void log_softmax_backward<float>(ConstMiddle<float>, ConstMiddle<float>, MiddleView<float>,
                                          cudaStream_t);
template void log_softmax_backward<__half>(ConstMiddle<__half>, ConstMiddle<__half>, MiddleView<__half>,
                                           cudaStream_t);
template void log_softmax_backward<__nv_bfloat16>(ConstMiddle<__nv_bfloat16>, ConstMiddle<__nv_bfloat16>,
                                                  MiddleView<__nv_bfloat16>, cudaStream_t);

}  // namespace softwarp
