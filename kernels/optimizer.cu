// SGD, AdamW, the moving average of parameters and the sum of gradients, over flat buffers. Bound by memory:
// of each parameter 5 floats move (SGD without momentum 3), with AdamW 7, for the average or a sum 3. A
// thread takes four neighbours, 16 bytes of each buffer; what the step's parameters share, one thread of a
// block computes while the others' loads are on their way. The last block to have read the state moves it on.

#include <cuda_runtime.h>

#include "core/optimizer.h"
#include "kernels/primitives/last_block.cuh"
#include "kernels/primitives/launch.h"
#include "kernels/primitives/memory.cuh"
#include "kernels/primitives/reduce.cuh"
#include "kernels/training_ops.h"

namespace softwarp {
namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;

using Floats = Vector<float, kWidth>;

// Buffers of one layout, at boundaries of 16 bytes or not.
__device__ Floats load_floats(const float* from, std::int64_t first, std::int64_t size, bool aligned) {
  Floats floats{};
  if (aligned)
    load_partial<kWidth>(from, first, size, floats.v);
  else
    for (int k = 0; k < kWidth; ++k)
      if (first + k < size) floats.v[k] = load_one(from + first + k);
  return floats;
}
__device__ void store_floats(const Floats& floats, float* to, std::int64_t first, std::int64_t size,
                             bool aligned) {
  if (aligned) return store_partial<kWidth>(floats.v, to, first, size);
  for (int k = 0; k < kWidth; ++k)
    if (first + k < size) store_one(floats.v[k], to + first + k);
}

__device__ std::int64_t first_of_thread() {
  return (static_cast<std::int64_t>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x)) * kWidth;
}

// Each block comes here once it has read the state, with what its threads have made. `step`: the steps before
// this one, as thread 0 read them. Another thread must not read them here: where thread 0 of each block has
// arrived, the last one may have moved the state on already.
__device__ void move_on(TrainingState* state, std::int64_t step, std::int64_t rows, const Floats& values) {
  bool finite = true;
#pragma unroll
  for (int k = 0; k < kWidth; ++k) finite = finite && is_finite(values.v[k]);
  // Several threads may write it, all the same.
  if (!finite && load_one(&state->first_nonfinite_step) == 0)
    store_one(step + 1, &state->first_nonfinite_step);
  if (!is_last_block(&state->arrived) || threadIdx.x != 0) return;
  store_one(step + 1, &state->step);
  store_one(load_one(&state->position) + rows, &state->position);
}

__global__ void __launch_bounds__(kThreads)
    sgd_kernel(const ParameterBuffers p, const SgdOptions options, const Schedule schedule,
               TrainingState* state, std::int64_t rows, bool aligned) {
  __shared__ float rate;
  __shared__ std::int64_t done;
  pdl_wait();
  const std::int64_t first = first_of_thread();
  const bool remembers = options.momentum != 0;
  Floats values = load_floats(p.values, first, p.size, aligned);
  const Floats gradients = load_floats(p.gradients, first, p.size, aligned);
  Floats moments{};
  if (remembers) moments = load_floats(p.first_moment, first, p.size, aligned);
  if (threadIdx.x == 0) {
    done = load_one(&state->step);
    rate = learning_rate<float>(schedule, done);
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kWidth; ++k)
    sgd_update(values.v[k], moments.v[k], gradients.v[k], rate, options,
               first + k < p.decayed ? options.weight_decay : 0.0f);
  store_floats(values, p.values, first, p.size, aligned);
  if (remembers) store_floats(moments, p.first_moment, first, p.size, aligned);
  move_on(state, done, rows, values);
}

__global__ void __launch_bounds__(kThreads)
    adamw_kernel(const ParameterBuffers p, const AdamwOptions options, const Schedule schedule,
                 TrainingState* state, std::int64_t rows, bool aligned) {
  __shared__ AdamwStep step;
  __shared__ std::int64_t done;
  pdl_wait();
  const std::int64_t first = first_of_thread();
  Floats values = load_floats(p.values, first, p.size, aligned);
  const Floats gradients = load_floats(p.gradients, first, p.size, aligned);
  Floats moments = load_floats(p.first_moment, first, p.size, aligned);
  Floats squares = load_floats(p.second_moment, first, p.size, aligned);
  if (threadIdx.x == 0) {
    done = load_one(&state->step);
    step = AdamwStep::at<float>(learning_rate<float>(schedule, done), options, done + 1);
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kWidth; ++k)
    adamw_update(values.v[k], moments.v[k], squares.v[k], gradients.v[k], step, options,
                 first + k < p.decayed ? step.keep : 1.0f);
  store_floats(values, p.values, first, p.size, aligned);
  store_floats(moments, p.first_moment, first, p.size, aligned);
  store_floats(squares, p.second_moment, first, p.size, aligned);
  move_on(state, done, rows, values);
}

__global__ void __launch_bounds__(kThreads)
    average_kernel(const float* values, float* average, std::int64_t size, float decay,
                   const TrainingState* state, bool aligned) {
  __shared__ float weight;
  pdl_wait();
  const std::int64_t first = first_of_thread();
  const Floats newest = load_floats(values, first, size, aligned);
  Floats averages = load_floats(average, first, size, aligned);
  if (threadIdx.x == 0) weight = weight_of_newest<float>(decay, load_one(&state->step));
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kWidth; ++k) averages.v[k] += weight * (newest.v[k] - averages.v[k]);
  store_floats(averages, average, first, size, aligned);
}

__global__ void __launch_bounds__(kThreads)
    add_kernel(const float* from, float* to, std::int64_t size, bool aligned) {
  pdl_wait();
  const std::int64_t first = first_of_thread();
  const Floats more = load_floats(from, first, size, aligned);
  Floats sums = load_floats(to, first, size, aligned);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) sums.v[k] += more.v[k];
  store_floats(sums, to, first, size, aligned);
}

__global__ void advance_kernel(TrainingState* state, std::int64_t rows) {
  pdl_wait();
  store_one(load_one(&state->position) + rows, &state->position);
}

bool is_aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % kAccessBytes == 0; }

bool all_aligned(const ParameterBuffers& p) {
  return is_aligned(p.values) && is_aligned(p.gradients) && is_aligned(p.first_moment) &&
         is_aligned(p.second_moment);
}

// A step without parameters still moves the state on.
LaunchOn launch_for(const ParameterBuffers& p, cudaStream_t stream) {
  const std::int64_t blocks = blocks_for(p.size, kThreads * kWidth);
  return {.grid = blocks > 0 ? blocks : 1, .block = kThreads, .stream = stream};
}

}  // namespace

void sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
              TrainingState* state, std::int64_t rows, cudaStream_t stream) {
  expects(options.momentum == 0 || parameters.first_moment != nullptr, "a momentum buffer");
  launch(launch_for(parameters, stream), sgd_kernel, parameters, options, schedule, state, rows,
         all_aligned(parameters));
}

void adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options, const Schedule& schedule,
                TrainingState* state, std::int64_t rows, cudaStream_t stream) {
  expects(parameters.first_moment != nullptr && parameters.second_moment != nullptr, "both moment buffers");
  launch(launch_for(parameters, stream), adamw_kernel, parameters, options, schedule, state, rows,
         all_aligned(parameters));
}

void average_parameters(const float* values, float* average, std::int64_t size, float decay,
                        const TrainingState* state, cudaStream_t stream) {
  launch(LaunchOn{.grid = blocks_for(size, kThreads * kWidth), .block = kThreads, .stream = stream},
         average_kernel, values, average, size, decay, state, is_aligned(values) && is_aligned(average));
}

void add(const float* from, float* to, std::int64_t size, cudaStream_t stream) {
  launch(LaunchOn{.grid = blocks_for(size, kThreads * kWidth), .block = kThreads, .stream = stream},
         add_kernel, from, to, size, is_aligned(from) && is_aligned(to));
}

void advance(TrainingState* state, std::int64_t rows, cudaStream_t stream) {
  launch(LaunchOn{.grid = 1, .block = 1, .stream = stream}, advance_kernel, state, rows);
}

}  // namespace softwarp
