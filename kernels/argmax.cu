// The launches of argmax_op.cuh.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <softwarp/argmax.h>
#include <softwarp/error.h>

#include "kernels/argmax_op.cuh"
#include "kernels/row_reduce/dispatch.cuh"

namespace softwarp {

template <class T>
void argmax(ConstMatrixView<T> x, std::int32_t* best, const std::int32_t* targets,
            unsigned long long* correct, cudaStream_t stream) {
  expects(x.cols > 0 && x.cols <= INT32_MAX && x.stride >= x.cols, "columns, of 31 bits");
  expects(correct == nullptr || targets != nullptr, "targets to compare with");
  launch_rows(Argmax<T>{{}, x, best, targets, correct}, {}, stream);
}

// CMakeLists.txt compiles this file once for each element type.
template void argmax(ConstMatrixView<SOFTWARP_T>, std::int32_t*, const std::int32_t*, unsigned long long*,
                     cudaStream_t);

}  // namespace softwarp
