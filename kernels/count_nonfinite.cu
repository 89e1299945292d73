// How many values are NaN or infinite. Bound by memory: 4 bytes a value. Counts are whole numbers, which
// atomics add to the same sum in any order.

#include <cuda_runtime.h>

#include "kernels/dependency.cuh"
#include "kernels/launch.h"
#include "kernels/training_ops.h"
#include "kernels/vector.cuh"

namespace softwarp {
namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;
constexpr int kVectors = 4;

__global__ void __launch_bounds__(kThreads)
    count_nonfinite_kernel(const float* values, std::int64_t size, unsigned long long* count) {
  const int head = elements_past_border<kWidth>(values);
  const auto first = static_cast<std::int64_t>(blockIdx.x) * kThreads * kVectors * kWidth - head;
  wait_for_earlier_kernels();
  float v[kVectors][kWidth] = {};
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    load_some<kWidth>(values, first + (i * kThreads + static_cast<int>(threadIdx.x)) * kWidth, size, v[i]);
  int found = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
#pragma unroll
    for (int k = 0; k < kWidth; ++k) found += v[i][k] - v[i][k] != 0;  // of a finite number, 0
  // Hardly ever: no need to add up first.
  if (found > 0) atomicAdd(count, static_cast<unsigned long long>(found));
}

}  // namespace

void count_nonfinite(const float* values, std::int64_t size, unsigned long long* count, cudaStream_t stream) {
  launch(LaunchOn{.grid = blocks_for(size > 0 ? size + kWidth - 1 : 0, kThreads * kVectors * kWidth),
                  .block = kThreads,
                  .stream = stream},
         count_nonfinite_kernel, values, size, count);
}

}  // namespace softwarp
