// The sum of the targets' weights, and the workspace of softmax_cross_entropy.cu.

#include <softwarp/cross_entropy.h>

#include <algorithm>

#include "kernels/cross_entropy_op.cuh"
#include "kernels/primitives/launch.h"

namespace softwarp {
namespace {

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

}  // namespace

void cross_entropy_weight(const std::int32_t* targets, std::int64_t rows, std::int64_t cols,
                          const CrossEntropyOptions& options, float* weight, cudaStream_t stream) {
  launch(LaunchOn{.grid = 1, .block = kMaxThreads, .stream = stream}, weight_kernel, targets, rows, cols,
         options, weight);
}

// The plan of most blocks: rows of narrow vectors that touch one more than they fill, few vectors a thread.
std::size_t cross_entropy_workspace_bytes(std::int64_t rows, std::int64_t cols, int element_bytes) {
  const RowProblem problem{.cols = cols,
                           .element_bytes = std::max(element_bytes, 4),
                           .input_bytes = element_bytes,
                           .max_vectors = 4,
                           .access = RowAlignment::shifted,
                           .packed = false};
  return CrossEntropyWorkspace::bytes(plan_rows(problem, device_limits()).blocks(rows));
}

}  // namespace softwarp
