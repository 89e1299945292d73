// The launches of softmax_op.cuh.

#include <softwarp/softmax.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/row_reduce/dispatch.cuh"
#include "kernels/softmax_op.cuh"

namespace softwarp {
namespace {

template <bool kLog, class T, class U>
void run(ConstMatrixView<T> x, MatrixView<U> y, Workspace workspace, cudaStream_t stream) {
  expects(x.rows == y.rows && x.cols == y.cols, "x and y of one shape");
  expects(x.cols > 0 && x.stride >= x.cols && y.stride >= y.cols, "columns, and strides of at least a row");
  launch_rows(Softmax<T, U, kLog>{{}, x, y}, workspace, stream);
}

}  // namespace

template <class T>
void softmax(Const<T> x, MatrixView<T> y, Workspace workspace, cudaStream_t stream) {
  run<false, T, T>(x, y, workspace, stream);
}
template <class T>
void log_softmax(Const<T> x, MatrixView<T> y, Workspace workspace, cudaStream_t stream) {
  run<true, T, T>(x, y, workspace, stream);
}
template <class T>
void softmax_to_float(ConstMatrixView<T> x, MatrixView<float> y, Workspace workspace, cudaStream_t stream) {
  run<false, T, float>(x, y, workspace, stream);
}
template <class T>
void log_softmax_to_float(ConstMatrixView<T> x, MatrixView<float> y, Workspace workspace,
                          cudaStream_t stream) {
  run<true, T, float>(x, y, workspace, stream);
}

template void softmax<double>(Const<double>, MatrixView<double>, Workspace, cudaStream_t);
template void softmax<float>(Const<float>, MatrixView<float>, Workspace, cudaStream_t);
template void softmax<__half>(Const<__half>, MatrixView<__half>, Workspace, cudaStream_t);
template void softmax<__nv_bfloat16>(Const<__nv_bfloat16>, MatrixView<__nv_bfloat16>, Workspace,
                                     cudaStream_t);
template void softmax_to_float(ConstMatrixView<__half>, MatrixView<float>, Workspace, cudaStream_t);
template void softmax_to_float(ConstMatrixView<__nv_bfloat16>, MatrixView<float>, Workspace, cudaStream_t);
template void log_softmax<double>(Const<double>, MatrixView<double>, Workspace, cudaStream_t);
template void log_softmax<float>(Const<float>, MatrixView<float>, Workspace, cudaStream_t);
template void log_softmax<__half>(Const<__half>, MatrixView<__half>, Workspace, cudaStream_t);
template void log_softmax<__nv_bfloat16>(Const<__nv_bfloat16>, MatrixView<__nv_bfloat16>, Workspace,
                                         cudaStream_t);
template void log_softmax_to_float(ConstMatrixView<__half>, MatrixView<float>, Workspace, cudaStream_t);
template void log_softmax_to_float(ConstMatrixView<__nv_bfloat16>, MatrixView<float>, Workspace,
                                   cudaStream_t);

}  // namespace softwarp
