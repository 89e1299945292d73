// Inverted dropout. Bound by memory: 8 bytes an element. A thread takes the eight neighbours that share a
// Philox call, so that any launch draws the same.

#include "kernels/dropout.h"

#include <cuda_runtime.h>

#include "kernels/launch.h"
#include "kernels/training_ops.h"
#include "kernels/vector.cuh"

namespace softwarp {
namespace {

constexpr int kThreads = 256;
constexpr int kGroup = static_cast<int>(kDropoutGroup);

__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const float* x, std::int64_t size, const Dropout chance, std::int32_t layer,
                   const TrainingState* state, float* y, bool aligned) {
  __shared__ TrainingState now;
  const std::int64_t group = static_cast<std::int64_t>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const std::int64_t first = group * kGroup;
  float v[kGroup] = {};
  if (aligned)
    load_some<kGroup>(x, first, size, v);
  else
    for (int k = 0; k < kGroup; ++k)
      if (first + k < size) v[k] = load_one(x + first + k);
  if (threadIdx.x == 0) {
    now.seed = load_one(&state->seed);
    now.step = load_one(&state->step);
  }
  __syncthreads();
  const RandomWords words = dropout_words(now, layer, group);
#pragma unroll
  for (int k = 0; k < kGroup; ++k) v[k] = chance.keeps(words, k) ? v[k] * chance.scale : 0.0f;
  if (aligned) return store_some<kGroup>(v, y, first, size);
  for (int k = 0; k < kGroup; ++k)
    if (first + k < size) store_one(v[k], y + first + k);
}

}  // namespace

void dropout(ConstMatrixView<float> x, float rate, std::int32_t layer, const TrainingState* state,
             MatrixView<float> y, cudaStream_t stream) {
  expects(x.rows == y.rows && x.cols == y.cols && x.packed() && y.packed(), "x and y packed, of one shape");
  expects(rate >= 0 && rate < 1, "a dropout rate in [0, 1)");
  const bool aligned = reinterpret_cast<std::uintptr_t>(x.data) % kAccessBytes == 0 &&
                       reinterpret_cast<std::uintptr_t>(y.data) % kAccessBytes == 0;
  launch(LaunchOn{.grid = blocks_for(x.size(), kThreads * kGroup), .block = kThreads, .stream = stream},
         dropout_kernel, x.data, x.size(), Dropout(rate), layer, state, y.data, aligned);
}

}  // namespace softwarp
