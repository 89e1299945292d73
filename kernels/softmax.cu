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

// CMakeLists.txt compiles this file once for each element type.
template void softmax<SOFTWARP_T>(Const<SOFTWARP_T>, MatrixView<SOFTWARP_T>, Workspace, cudaStream_t);
template void log_softmax<SOFTWARP_T>(Const<SOFTWARP_T>, MatrixView<SOFTWARP_T>, Workspace, cudaStream_t);
#if SOFTWARP_T_BYTES == 2
template void softmax_to_float(ConstMatrixView<SOFTWARP_T>, MatrixView<float>, Workspace, cudaStream_t);
template void log_softmax_to_float(ConstMatrixView<SOFTWARP_T>, MatrixView<float>, Workspace, cudaStream_t);
#endif

}  // namespace softwarp
