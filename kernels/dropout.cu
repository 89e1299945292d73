// Inverted dropout. Bound by memory: 8 bytes an element. A thread takes four neighbours, one access, and two
// threads draw the same Philox call for the eight that share it: arithmetic is there in plenty. Of a part of
// a batch that begins within such a group, some threads draw two.

#include "core/dropout.h"
#include "kernels/primitives/memory.cuh"

#include <cuda_runtime.h>

#include "kernels/primitives/launch.h"
#include "kernels/training_ops.h"

namespace softwarp {
namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;

// The draws of the batch's elements `place` to `place + 3`, 16 bits each, the first lowest.
__device__ std::uint64_t four_draws(const TrainingState& state, std::int32_t layer, std::int64_t place) {
  const auto half = [](const RandomWords& words, int i) {
    return words.v[i] | static_cast<std::uint64_t>(words.v[i + 1]) << 32;
  };
  const std::int64_t group = place / kDropoutGroup;
  const int at = static_cast<int>(place % kDropoutGroup), shift = at % kWidth * 16;
  const RandomWords words = dropout_words(state, layer, group);
  const std::uint64_t first = at < kWidth ? half(words, 0) : half(words, 2);
  if (shift == 0) return first;
  const std::uint64_t second = at < kWidth ? half(words, 2) : half(dropout_words(state, layer, group + 1), 0);
  return first >> shift | second << (64 - shift);
}

__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const float* x, std::int64_t size, const Dropout chance, std::int32_t layer,
                   const TrainingState* state, std::int64_t place, float* y, bool aligned) {
  __shared__ std::uint64_t seed;
  __shared__ std::int64_t step;
  pdl_wait();
  const std::int64_t access =
      static_cast<std::int64_t>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const std::int64_t first = access * kWidth;
  float v[kWidth] = {};
  if (aligned)
    load_partial<kWidth>(x, first, size, v);
  else
    for (int k = 0; k < kWidth; ++k)
      if (first + k < size) v[k] = load_one(x + first + k);
  if (threadIdx.x == 0) {
    seed = load_one(&state->seed);
    step = load_one(&state->step);
  }
  __syncthreads();
  const std::uint64_t draws = four_draws({.seed = seed, .step = step}, layer, place + first);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    const bool keeps = chance.keeps(static_cast<std::uint32_t>(draws >> 16 * k) & 0xffffu);
    v[k] = keeps ? v[k] * chance.scale : 0.0f;
  }
  if (aligned) return store_partial<kWidth>(v, y, first, size);
  for (int k = 0; k < kWidth; ++k)
    if (first + k < size) store_one(v[k], y + first + k);
}

}  // namespace

void dropout(ConstMatrixView<float> x, float rate, std::int32_t layer, const TrainingState* state,
             MatrixView<float> y, std::int64_t first_row, cudaStream_t stream) {
  expects(x.rows == y.rows && x.cols == y.cols && x.packed() && y.packed(), "x and y packed, of one shape");
  expects(rate >= 0 && rate < 1, "a dropout rate in [0, 1)");
  const bool aligned = reinterpret_cast<std::uintptr_t>(x.data) % kAccessBytes == 0 &&
                       reinterpret_cast<std::uintptr_t>(y.data) % kAccessBytes == 0;
  launch(LaunchOn{.grid = blocks_for(x.size(), kThreads * kWidth), .block = kThreads, .stream = stream},
         dropout_kernel, x.data, x.size(), Dropout(rate), layer, state, first_row * x.cols, y.data, aligned);
}

}  // namespace softwarp
