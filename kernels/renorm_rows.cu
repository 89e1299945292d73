// The max-norm constraint on a layer's weights: a block a row, which it reads once, and once more, to write
// it, if the row's norm is too large.

#include <cuda_runtime.h>

#include "kernels/primitives/launch.h"
#include "kernels/primitives/memory.cuh"
#include "kernels/primitives/reduce.cuh"
#include "kernels/training_ops.h"

namespace softwarp {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;

// A row is `accesses` of kWidth elements.
template <int kWidth>
__global__ void __launch_bounds__(kThreads)
    renorm_kernel(const MatrixView<float> x, std::int64_t accesses, float max_norm) {
  __shared__ float partial[kWarps];
  pdl_wait();
  float* const row = x.row(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (std::int64_t i = thread; i < accesses; i += kThreads) {
    const Vector<float, kWidth> values = load<kWidth>(row + i * kWidth);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sum += values.v[k] * values.v[k];
  }
  sum = LogicalWarp{32}.sum(sum);
  if (thread % 32 == 0) partial[thread / 32] = sum;
  __syncthreads();
  sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) sum += partial[w];
  if (!(sum > max_norm * max_norm) || !is_finite(sum)) return;
  const float scale = max_norm / sqrtf(sum);
  for (std::int64_t i = thread; i < accesses; i += kThreads) {
    Vector<float, kWidth> values = load<kWidth>(row + i * kWidth);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) values.v[k] *= scale;
    store(values, row + i * kWidth);
  }
}

}  // namespace

void renorm_rows(MatrixView<float> x, float max_norm, cudaStream_t stream) {
  constexpr int kWidth = elements_per_access(sizeof(float));
  const bool vectorized = x.cols % kWidth == 0 && x.stride % kWidth == 0 &&
                          reinterpret_cast<std::uintptr_t>(x.data) % kAccessBytes == 0;
  const LaunchOn on{.grid = x.rows, .block = kThreads, .stream = stream};
  vectorized ? launch(on, renorm_kernel<kWidth>, x, x.cols / kWidth, max_norm)
             : launch(on, renorm_kernel<1>, x, x.cols, max_norm);
}

}  // namespace softwarp
