// The launches of cross_entropy_op.cuh.

#include "kernels/primitives/memory.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <softwarp/cross_entropy.h>

#include "kernels/cross_entropy_op.cuh"
#include "kernels/row_reduce/dispatch.cuh"

namespace softwarp {
namespace {

template <bool kSmooth, class T>
void run(ConstMatrixView<T> logits, const std::int32_t* targets, const CrossEntropyOptions& options,
         const float* weight, float* losses, MatrixView<T> dlogits, CrossEntropySums* sums,
         Workspace workspace, cudaStream_t stream) {
  const CrossEntropyWorkspace parts(workspace.data);
  using Op = CrossEntropy<T, kSmooth>;
  Op op{};
  op.logits = logits;
  op.targets = targets;
  op.options = options;
  if (options.batch_rows == 0) op.options.batch_rows = logits.rows;
  op.smoothing_of_class =
      static_cast<typename Op::A>(options.label_smoothing) / static_cast<typename Op::A>(logits.cols);
  op.weight = weight;
  op.losses = losses;
  op.dlogits = dlogits;
  op.sums = sums;
  op.ticket = parts.ticket;
  op.blocks = parts.blocks;
  launch_rows(op, parts.split_rows, stream);
}

}  // namespace

template <class T>
void softmax_cross_entropy(ConstMatrixView<T> logits, const std::int32_t* targets,
                           const CrossEntropyOptions& options, const float* weight, float* losses,
                           MatrixView<T> dlogits, CrossEntropySums* sums, Workspace workspace,
                           cudaStream_t stream) {
  expects(logits.cols > 0 && logits.cols <= INT32_MAX && logits.stride >= logits.cols, "classes, of 31 bits");
  expects(dlogits.data == nullptr ||
              (dlogits.rows == logits.rows && dlogits.cols == logits.cols && dlogits.stride >= dlogits.cols),
          "logits and dlogits of one shape");
  expects(options.label_smoothing >= 0 && options.label_smoothing <= 1, "label smoothing in [0, 1]");
  if (logits.rows == 0) return;
  expects(workspace.bytes >= cross_entropy_workspace_bytes(logits.rows, logits.cols, sizeof(T)),
          "workspace of cross_entropy_workspace_bytes");
  if (options.label_smoothing > 0)
    run<true>(logits, targets, options, weight, losses, dlogits, sums, workspace, stream);
  else
    run<false>(logits, targets, options, weight, losses, dlogits, sums, workspace, stream);
}

// CMakeLists.txt compiles this file once for each element type.
template void softmax_cross_entropy(ConstMatrixView<SOFTWARP_T>, const std::int32_t*,
                                    const CrossEntropyOptions&, const float*, float*, MatrixView<SOFTWARP_T>,
                                    CrossEntropySums*, Workspace, cudaStream_t);

}  // namespace softwarp
