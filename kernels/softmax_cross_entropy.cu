// The launches of cross_entropy_op.cuh, and the sum of the targets' weights.

#include "kernels/primitives/pdl.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <softwarp/cross_entropy.h>

#include <algorithm>

#include "kernels/cross_entropy_op.cuh"
#include "kernels/row_reduce/dispatch.cuh"

namespace softwarp {
namespace {

constexpr std::size_t kTicketBytes = 256;

__global__ void __launch_bounds__(kMaxThreads)
    weight_kernel(const std::int32_t* targets, std::int64_t rows, std::int64_t cols,
                  const CrossEntropyOptions options, float* weight) {
  pdl_wait();
  double sum = 0;
  for (std::int64_t r = static_cast<std::int64_t>(threadIdx.x); r < rows; r += blockDim.x) {
    const std::int32_t target = load_one(targets + r);
    if (target == options.ignore_index || target < 0 || target >= cols) continue;
    sum += options.class_weights != nullptr ? static_cast<double>(load_one(options.class_weights + target))
                                            : 1.0;
  }
  __shared__ double warp_summaries[kMaxThreads / kWarpLanes];
  sum = LogicalWarp{kWarpLanes}.sum(sum);
  if (threadIdx.x % kWarpLanes == 0) warp_summaries[threadIdx.x / kWarpLanes] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int i = 1; i < kMaxThreads / kWarpLanes; ++i) sum += warp_summaries[i];
  store_one(static_cast<float>(sum), weight);
}

// Blocks of the launch that has most.
std::int64_t most_blocks(std::int64_t rows, std::int64_t cols, int element_bytes) {
  std::int64_t most = kSplitRowWorkspaceBytes / sizeof(BlockLoss);
  for (const int widest : {element_bytes, std::max(element_bytes, 4)})
    for (const int held : {4, 8})
      for (const RowAlignment access : {RowAlignment::aligned, RowAlignment::shifted, RowAlignment::scalar})
        for (const bool packed : {false, true}) {
          const RowProblem problem{cols, widest, element_bytes, 1, held, access, packed};
          most = std::max(most, blocks_of(plan_rows(problem, device_limits()), rows));
        }
  return most;
}

template <bool kSmooth, class T>
void run(ConstMatrixView<T> logits, const std::int32_t* targets, const CrossEntropyOptions& options,
         const float* weight, float* losses, MatrixView<T> dlogits, CrossEntropySums* sums,
         Workspace workspace, cudaStream_t stream) {
  char* const bytes = static_cast<char*>(workspace.data);
  char* const slices =
      bytes + kTicketBytes +
      static_cast<std::size_t>(most_blocks(logits.rows, logits.cols, sizeof(T))) * sizeof(BlockLoss);
  using Op = CrossEntropy<T, kSmooth>;
  Op op{};
  op.logits = logits;
  op.targets = targets;
  op.options = options;
  op.smoothing_of_class =
      static_cast<typename Op::A>(options.label_smoothing) / static_cast<typename Op::A>(logits.cols);
  op.weight = weight;
  op.losses = losses;
  op.dlogits = dlogits;
  op.sums = sums;
  op.ticket = reinterpret_cast<unsigned*>(bytes);
  op.blocks = reinterpret_cast<BlockLoss*>(bytes + kTicketBytes);
  launch_rows(op, {slices, kSplitRowWorkspaceBytes}, stream);
}

}  // namespace

std::size_t cross_entropy_workspace_bytes(std::int64_t rows, std::int64_t cols, int element_bytes) {
  return kTicketBytes + static_cast<std::size_t>(most_blocks(rows, cols, element_bytes)) * sizeof(BlockLoss) +
         kSplitRowWorkspaceBytes;
}

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

void cross_entropy_weight(const std::int32_t* targets, std::int64_t rows, std::int64_t cols,
                          const CrossEntropyOptions& options, float* weight, cudaStream_t stream) {
  launch(LaunchOn{.grid = 1, .block = kMaxThreads, .stream = stream}, weight_kernel, targets, rows, cols,
         options, weight);
}

template void softmax_cross_entropy(ConstMatrixView<double>, const std::int32_t*, const CrossEntropyOptions&,
                                    const float*, float*, MatrixView<double>, CrossEntropySums*, Workspace,
                                    cudaStream_t);
template void softmax_cross_entropy(ConstMatrixView<float>, const std::int32_t*, const CrossEntropyOptions&,
                                    const float*, float*, MatrixView<float>, CrossEntropySums*, Workspace,
                                    cudaStream_t);
template void softmax_cross_entropy(ConstMatrixView<__half>, const std::int32_t*, const CrossEntropyOptions&,
                                    const float*, float*, MatrixView<__half>, CrossEntropySums*, Workspace,
                                    cudaStream_t);
template void softmax_cross_entropy(ConstMatrixView<__nv_bfloat16>, const std::int32_t*,
                                    const CrossEntropyOptions&, const float*, float*,
                                    MatrixView<__nv_bfloat16>, CrossEntropySums*, Workspace, cudaStream_t);

}  // namespace softwarp
