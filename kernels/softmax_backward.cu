// The launches of softmax_backward_op.cuh.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <softwarp/softmax.h>

#include "kernels/row_reduce/dispatch.cuh"
#include "kernels/softmax_backward_op.cuh"

namespace softwarp {
namespace {

template <bool kLog, class T>
void run(ConstMatrixView<T> y, ConstMatrixView<T> dy, MatrixView<T> dx, Workspace workspace,
         cudaStream_t stream) {
  for (const auto& m : {dy, ConstMatrixView<T>(dx)})
    expects(m.rows == y.rows && m.cols == y.cols && m.stride >= m.cols, "y, dy and dx of one shape");
  expects(y.cols > 0 && y.stride >= y.cols, "columns, and strides of at least a row");
  launch_rows(SoftmaxBackward<T, kLog>{{}, y, dy, dx}, workspace, stream);
}

}  // namespace

template <class T>
void softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, Workspace workspace, cudaStream_t stream) {
  run<false, T>(y, dy, dx, workspace, stream);
}
template <class T>
void log_softmax_backward(Const<T> y, Const<T> dy, MatrixView<T> dx, Workspace workspace,
                          cudaStream_t stream) {
  run<true, T>(y, dy, dx, workspace, stream);
}

// CMakeLists.txt compiles this file once for each element type.
template void softmax_backward<SOFTWARP_T>(Const<SOFTWARP_T>, Const<SOFTWARP_T>, MatrixView<SOFTWARP_T>,
                                           Workspace, cudaStream_t);
template void log_softmax_backward<SOFTWARP_T>(Const<SOFTWARP_T>, Const<SOFTWARP_T>, MatrixView<SOFTWARP_T>,
                                               Workspace, cudaStream_t);

}  // namespace softwarp
