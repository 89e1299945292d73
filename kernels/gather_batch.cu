// The batch of a step from the resident data set. Bound by memory: a byte is read and a float written for
// each pixel, 5 bytes, and 9 for each image's index and label. Images stay bytes, a quarter of what floats
// would take; four of them are one access, and one thread's. Data that are no bytes are floats: 8 bytes each.

#include <cuda_runtime.h>

#include "kernels/primitives/launch.h"
#include "kernels/primitives/memory.cuh"
#include "kernels/training_ops.h"

namespace softwarp {
namespace {

constexpr int kThreads = 256;

// Threads of a block share images: each has `accesses` of kWidth pixels.
template <int kWidth, class T>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const DatasetView data, const T* images, const std::int32_t* order,
                  const TrainingState* state, const MatrixView<float> batch, std::int32_t* targets,
                  int accesses) {
  __shared__ std::int64_t sample;
  pdl_wait();
  const std::int64_t r = blockIdx.x;
  if (threadIdx.x == 0) {
    const std::int64_t at = load_one(&state->position) + r;
    sample = order != nullptr ? load_one(order + at) : at;
    store_one(static_cast<std::int32_t>(load_one(data.labels + sample)), targets + r);
  }
  __syncthreads();
  const T* const image = images + sample * data.pixels;
  for (int i = static_cast<int>(threadIdx.x); i < accesses; i += kThreads) {
    const auto pixels = load<kWidth>(image + i * kWidth);
    Vector<float, kWidth> values;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) values.v[k] = static_cast<float>(pixels.v[k]) * data.scale;
    store(values, batch.row(r) + i * kWidth);
  }
}

bool divides(std::int64_t a, std::int64_t n) { return n % a == 0; }

template <class T>
void gather(const T* images, const DatasetView& data, const std::int32_t* order, const TrainingState* state,
            MatrixView<float> batch, std::int32_t* targets, cudaStream_t stream) {
  constexpr std::int64_t kImageBytes = 4 * sizeof(T);  // of an access
  const bool vectorized =
      divides(4, data.pixels) && divides(4, batch.stride) &&
      divides(kImageBytes, static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(images))) &&
      divides(kAccessBytes, static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(batch.data)));
  const LaunchOn on{.grid = batch.rows, .block = kThreads, .stream = stream};
  const int pixels = static_cast<int>(data.pixels);
  vectorized ? launch(on, gather_kernel<4, T>, data, images, order, state, batch, targets, pixels / 4)
             : launch(on, gather_kernel<1, T>, data, images, order, state, batch, targets, pixels);
}

}  // namespace

void gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                  MatrixView<float> batch, std::int32_t* targets, cudaStream_t stream) {
  expects(batch.cols == data.pixels && batch.stride >= batch.cols, "a batch as wide as an image");
  expects(batch.rows <= data.count, "a batch no larger than the data set");
  data.values == nullptr ? gather(data.images, data, order, state, batch, targets, stream)
                         : gather(data.values, data, order, state, batch, targets, stream);
}

}  // namespace softwarp
