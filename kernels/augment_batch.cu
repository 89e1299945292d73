// The batch of a step from the resident data set, each image deformed: what gather_batch.cu does, and bound
// by memory likewise, 5 bytes a pixel. A block has an image. What an elastic field is made of never leaves
// the multiprocessor: random bytes, smoothed along the rows, then along the columns by the thread that needs
// it.

#include "core/augment.h"
#include "kernels/primitives/memory.cuh"

#include <cuda_runtime.h>
#include <softwarp/error.h>

#include <string>

#include "kernels/primitives/launch.h"
#include "kernels/training_ops.h"

namespace softwarp {

extern __shared__ float4 dynamic_shared[];

namespace {

constexpr int kThreads = 256;
constexpr std::size_t kStaticBytes = 128;  // of shared memory, at most
constexpr std::size_t kBytesWithoutOptIn = 48 * 1024;

// A block's shared memory: [2, rows, pitch] bytes of the field, [2, rows, width] floats of it smoothed along
// its rows, and the image with a border that is 0, one pixel before it and two behind it.
struct AugmentGeometry {
  int height;
  int width;
  FieldShape field;
  bool elastic;

  AugmentGeometry(int h, int w, bool has_field, int radius)
      : height(h), width(w), field(h, w, radius), elastic(has_field) {}
  SOFTWARP_HD int field_bytes() const { return elastic ? 2 * field.rows * field.pitch() : 0; }
  SOFTWARP_HD int smoothed() const { return elastic ? 2 * field.rows * width : 0; }
  SOFTWARP_HD int padded_width() const { return width + 3; }
  SOFTWARP_HD int padded_pixels() const { return (height + 3) * padded_width(); }
  std::size_t shared_bytes() const {
    return static_cast<std::size_t>(field_bytes()) + static_cast<std::size_t>(smoothed()) * sizeof(float) +
           static_cast<std::size_t>(padded_pixels());
  }
};

__device__ __forceinline__ void draw_field(const AugmentGeometry& g, std::uint64_t seed, std::int64_t epoch,
                                           std::int64_t image, std::uint8_t* field) {
  for (int call = static_cast<int>(threadIdx.x); call < g.field.calls(); call += kThreads)
    reinterpret_cast<RandomWords*>(field)[call] = random_words(
        seed, RandomPurpose::elastic, 0, static_cast<std::uint32_t>(epoch), field_index(image, call));
}

__device__ __forceinline__ void smooth_rows(const AugmentGeometry& g, const GaussianWeights& gaussian,
                                            const std::uint8_t* field, float* smoothed) {
  for (int i = static_cast<int>(threadIdx.x); i < g.smoothed(); i += kThreads) {
    const std::uint8_t* const at = field + i / g.width * g.field.pitch() + i % g.width + gaussian.radius;
    float sum = gaussian.weight[0] * static_cast<float>(at[0]);
    for (int k = 1; k <= gaussian.radius; ++k) sum += gaussian.weight[k] * static_cast<float>(at[-k] + at[k]);
    smoothed[i] = sum;
  }
}

// The displacement of a pixel along one axis, whose plane of the smoothed rows this is.
__device__ __forceinline__ float displacement(const AugmentGeometry& g, const GaussianWeights& gaussian,
                                              float alpha, const float* plane, int y, int x) {
  const float* const at = plane + (y + gaussian.radius) * g.width + x;
  float sum = gaussian.weight[0] * at[0];
  for (int k = 1; k <= gaussian.radius; ++k) sum += gaussian.weight[k] * (at[-k * g.width] + at[k * g.width]);
  return alpha * kFieldScale * (sum - kFieldMiddle);
}

__global__ void __launch_bounds__(kThreads)
    augment_kernel(const DatasetView data, const AugmentGeometry g, const std::int32_t* order,
                   const TrainingState* state, const Augmentation augmentation,
                   const __grid_constant__ GaussianWeights gaussian, const MatrixView<float> batch,
                   std::int32_t* targets) {
  __shared__ std::int64_t sample, epoch;
  __shared__ std::uint64_t seed;
  __shared__ AffineMap map;
  auto* const field = reinterpret_cast<std::uint8_t*>(dynamic_shared);
  auto* const smoothed = reinterpret_cast<float*>(field + g.field_bytes());
  auto* const pixels = reinterpret_cast<std::uint8_t*>(smoothed + g.smoothed());
  pdl_wait();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t r = blockIdx.x;
  if (thread == 0) {
    const std::int64_t at = load_one(&state->position) + r;
    sample = order != nullptr ? load_one(order + at) : at;
    epoch = load_one(&state->epoch);
    seed = load_one(&state->seed);
    const int label = load_one(data.labels + sample);
    store_one(label, targets + r);
    map = affine_map(augmentation, seed, epoch, sample, label, g.height, g.width);
  }
  for (int i = thread; i < g.padded_pixels(); i += kThreads) pixels[i] = 0;
  __syncthreads();
  const std::uint8_t* const image = data.images + sample * data.pixels;
  for (int i = thread; i < g.height * g.width; i += kThreads)
    pixels[(i / g.width + 1) * g.padded_width() + i % g.width + 1] = load_one(image + i);
  if (g.elastic) {
    draw_field(g, seed, epoch, sample, field);
    __syncthreads();
    smooth_rows(g, gaussian, field, smoothed);
  }
  __syncthreads();

  for (int i = thread; i < g.height * g.width; i += kThreads) {
    const int py = i / g.width, px = i % g.width;
    const float dy = static_cast<float>(py) - static_cast<float>(g.height - 1) / 2;
    const float dx = static_cast<float>(px) - static_cast<float>(g.width - 1) / 2;
    float x = map.xx * dx + map.xy * dy + map.x0, y = map.yx * dx + map.yy * dy + map.y0;
    if (g.elastic) {
      x += displacement(g, gaussian, augmentation.alpha, smoothed, py, px);
      y += displacement(g, gaussian, augmentation.alpha, smoothed + g.field.rows * g.width, py, px);
    }
    const BilinearPlace place = bilinear_place(x, y, g.height, g.width);
    const std::uint8_t* const at = pixels + (place.y + 1) * g.padded_width() + place.x + 1;
    const std::uint8_t* const below = at + g.padded_width();
    const float value = bilinear(at[0], at[1], below[0], below[1], place.fx, place.fy);
    store_one(value * data.scale, batch.row(r) + i);
  }
}

}  // namespace

void augment_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                   const Augmentation& augmentation, MatrixView<float> batch, std::int32_t* targets,
                   cudaStream_t stream) {
  expects(batch.cols == data.pixels && batch.stride >= batch.cols, "a batch as wide as an image");
  expects(batch.rows <= data.count, "a batch no larger than the data set");
  expects(data.width > 0 && data.pixels % data.width == 0, "images of whole rows");
  const bool elastic = augmentation.alpha > 0;
  const GaussianWeights gaussian = elastic ? gaussian_weights(augmentation.sigma) : GaussianWeights{};
  const AugmentGeometry geometry(static_cast<int>(data.pixels / data.width), static_cast<int>(data.width),
                                 elastic, gaussian.radius);
  const std::size_t bytes = geometry.shared_bytes() + kStaticBytes;
  if (bytes > device_limits().shared_bytes)
    throw Error("images of " + std::to_string(geometry.width) + "x" + std::to_string(geometry.height) +
                " pixels: expected so few that a block's shared memory holds what deforms one, " +
                std::to_string(device_limits().shared_bytes) + " bytes, found " + std::to_string(bytes));
  if (bytes > kBytesWithoutOptIn) {
    static std::atomic<std::uint64_t> asked_devices = 0;
    allow_shared(reinterpret_cast<const void*>(augment_kernel), asked_devices);
  }
  launch(
      LaunchOn{
          .grid = batch.rows, .block = kThreads, .shared_bytes = geometry.shared_bytes(), .stream = stream},
      augment_kernel, data, geometry, order, state, augmentation, gaussian, batch, targets);
}

}  // namespace softwarp
