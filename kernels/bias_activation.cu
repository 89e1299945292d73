// Bias and activation of a layer, and their backward with the bias gradient, for when the product's epilogue
// does not do them. Bound by memory: forward moves 8 bytes an element (12 where the sum is kept), backward
// 12, gelu's 16.

#include <cuda_runtime.h>

#include "core/activation.h"
#include "kernels/primitives/launch.h"
#include "kernels/primitives/memory.cuh"
#include "kernels/training_ops.h"

namespace softwarp {
namespace {

constexpr int kThreads = 256;

// Forward: a warp goes along 32 * kWidth columns, a block's 8 warps down 32 rows, four each, which share one
// reading of the bias.
constexpr int kRows = 32;
constexpr int kRowsOfWarp = kRows / (kThreads / kWarpLanes);

template <int kWidth>
__global__ void __launch_bounds__(kThreads)
    bias_activation_kernel(Activation kind, const ConstMatrixView<float> z, const float* b,
                           const MatrixView<float> sums, const MatrixView<float> y, unsigned column_blocks) {
  __shared__ Vector<float, kWidth> biases[kWarpLanes];
  pdl_wait();
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes,
            warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const std::int64_t j = (static_cast<std::int64_t>(blockIdx.x % column_blocks) * kWarpLanes + lane) * kWidth;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x / column_blocks) * kRows + warp;
  constexpr int kWarps = kThreads / kWarpLanes;
  const bool inside = j < z.cols;
  Vector<float, kWidth> v[kRowsOfWarp];
#pragma unroll
  for (int i = 0; i < kRowsOfWarp; ++i)
    if (inside && first + i * kWarps < z.rows) v[i] = load<kWidth>(z.row(first + i * kWarps) + j);
  if (warp == 0) {
    biases[lane] = {};
    if (inside && b != nullptr) biases[lane] = load<kWidth>(b + j);
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kRowsOfWarp; ++i) {
    const std::int64_t r = first + i * kWarps;
    if (!inside || r >= z.rows) continue;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v[i].v[k] += biases[lane].v[k];
    if (sums.data != nullptr) store(v[i], sums.row(r) + j);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v[i].v[k] = activate(kind, v[i].v[k]);
    store(v[i], y.row(r) + j);
  }
}

// Backward: a block owns 8 accesses' width of columns, all rows, so that each column's sum has one order; 32
// threads share a column.
constexpr int kLanes = 8;
constexpr int kSharers = kThreads / kLanes;

template <int kWidth>
__global__ void __launch_bounds__(kThreads)
    bias_activation_backward_kernel(Activation kind, const ConstMatrixView<float> z,
                                    const ConstMatrixView<float> y, const ConstMatrixView<float> dy,
                                    const MatrixView<float> dz, float* db) {
  __shared__ float sums[kSharers][kLanes * kWidth];
  pdl_wait();
  const int lane = static_cast<int>(threadIdx.x) % kLanes, sharer = static_cast<int>(threadIdx.x) / kLanes;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kLanes * kWidth,
                     j = first + lane * kWidth;
  const bool reads_z = kind == Activation::gelu, reads_y = kind != Activation::identity && !reads_z;
  float sum[kWidth] = {};
  if (j < dy.cols) {
#pragma unroll 4
    for (std::int64_t r = sharer; r < dy.rows; r += kSharers) {
      Vector<float, kWidth> v = load<kWidth>(dy.row(r) + j), at_z{}, at_y{};
      if (reads_z) at_z = load<kWidth>(z.row(r) + j);
      if (reads_y) at_y = load<kWidth>(y.row(r) + j);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        v.v[k] *= activation_derivative(kind, at_z.v[k], at_y.v[k]);
        sum[k] += v.v[k];
      }
      if (dz.data != nullptr) store(v, dz.row(r) + j);
    }
  }
  if (db == nullptr) return;
#pragma unroll
  for (int k = 0; k < kWidth; ++k) sums[sharer][lane * kWidth + k] = sum[k];
  __syncthreads();
  const int column = static_cast<int>(threadIdx.x);
  if (column >= kLanes * kWidth || first + column >= dy.cols) return;
  float all = 0;
  for (int i = 0; i < kSharers; ++i) all += sums[i][column];
  store_one(all, db + first + column);
}

// True if four columns are one access in every matrix. Matrices without data have no say.
template <class... Views>
bool vectorized(std::int64_t cols, const void* bias, const Views&... views) {
  const auto is_aligned = [](const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) % kAccessBytes == 0;
  };
  return cols % 4 == 0 && is_aligned(bias) && (... && (is_aligned(views.data) && views.stride % 4 == 0));
}

template <class View>
void expect_shape(ConstMatrixView<float> z, const View& other,
                  std::source_location where = std::source_location::current()) {
  expects(other.data == nullptr || (other.rows == z.rows && other.cols == z.cols && other.stride >= z.cols),
          "matrices of one shape", where);
}

}  // namespace

void bias_activation(Activation kind, ConstMatrixView<float> z, const float* b, MatrixView<float> sums,
                     MatrixView<float> y, cudaStream_t stream) {
  expects(y.data != nullptr && z.cols > 0, "a result and at least one column");
  expect_shape(z, sums);
  expect_shape(z, y);
  const bool is_vectorized = vectorized(z.cols, b, z, sums, y);
  const std::int64_t column_blocks = blocks_for(z.cols, kWarpLanes * (is_vectorized ? 4 : 1));
  const LaunchOn on{.grid = column_blocks * blocks_for(z.rows, kRows), .block = kThreads, .stream = stream};
  const auto columns = static_cast<unsigned>(column_blocks);
  is_vectorized ? launch(on, bias_activation_kernel<4>, kind, z, b, sums, y, columns)
                : launch(on, bias_activation_kernel<1>, kind, z, b, sums, y, columns);
}

void bias_activation_backward(Activation kind, ConstMatrixView<float> z, ConstMatrixView<float> y,
                              ConstMatrixView<float> dy, MatrixView<float> dz, float* db,
                              cudaStream_t stream) {
  expects(dy.cols > 0, "at least one column");
  expects(kind != Activation::gelu || z.data != nullptr, "z for gelu");
  expects(kind == Activation::gelu || kind == Activation::identity || y.data != nullptr, "y");
  for (const ConstMatrixView<float>& other : {z, y, ConstMatrixView<float>(dz)}) expect_shape(dy, other);
  const bool is_vectorized = vectorized(dy.cols, nullptr, z, y, dy, dz);
  const LaunchOn on{
      .grid = blocks_for(dy.cols, kLanes * (is_vectorized ? 4 : 1)), .block = kThreads, .stream = stream};
  is_vectorized ? launch(on, bias_activation_backward_kernel<4>, kind, z, y, dy, dz, db)
                : launch(on, bias_activation_backward_kernel<1>, kind, z, y, dy, dz, db);
}

}  // namespace softwarp
