// The Jacobian of softmax, J_ij = y_i (delta_ij - y_j), written out: N x N for each row of N. For looking at;
// to multiply with it, softmax_backward needs no matrix. Bound by writing it, N s bytes an element of y. A
// block writes some of the matrix's rows, and reads the rows of y that they belong to once, into shared
// memory.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <softwarp/softmax.h>

#include "kernels/primitives/launch.h"
#include "kernels/primitives/memory.cuh"
#include "kernels/primitives/reduce.cuh"

namespace softwarp {

extern __shared__ float4 dynamic_shared[];

namespace {

constexpr int kThreads = 256;
constexpr int kRows = 64;  // of the Jacobian, about as many as a block writes

// Column `first` and its neighbours of the Jacobian's row i, given y. Element by element where vectors do not
// fit.
template <int kWidth, class T>
__global__ void __launch_bounds__(kThreads)
    jacobian_kernel(const ConstMatrixView<T> y, const MatrixView<T> jacobian, int rows_of_y, int parts,
                    bool staged) {
  pdl_wait();
  using A = Accumulate<T>;
  const auto block = static_cast<std::int64_t>(blockIdx.x);
  // Either some whole rows of y, or one of `parts` parts of a single row's block.
  const std::int64_t first_row = block / parts * rows_of_y;
  const int part = static_cast<int>(block % parts);
  const std::int64_t cols = y.cols;
  T* const shared = reinterpret_cast<T*>(dynamic_shared);
  const std::int64_t rows = y.rows - first_row < rows_of_y ? y.rows - first_row : rows_of_y;
  if (staged) {
    for (std::int64_t i = static_cast<int>(threadIdx.x); i < rows * cols; i += kThreads)
      shared[i] = load_one(y.row(first_row + i / cols) + i % cols);
    __syncthreads();
  }
  const auto y_at = [&](std::int64_t r, std::int64_t j) {
    return static_cast<A>(staged ? shared[r * cols + j] : load_one(y.row(first_row + r) + j));
  };
  const std::int64_t begin = blocks_for(cols, parts) * part, all = rows * cols;
  const std::int64_t end = parts == 1                              ? all
                           : begin + blocks_for(cols, parts) < all ? begin + blocks_for(cols, parts)
                                                                   : all;
  const std::int64_t accesses = cols / kWidth;
  for (std::int64_t i = begin * accesses + static_cast<int>(threadIdx.x); i < end * accesses; i += kThreads) {
    const std::int64_t at = i / accesses, j = i % accesses * kWidth;
    const std::int64_t r = at / cols, row = at % cols;
    const A y_i = y_at(r, row);
    Vector<T, kWidth> out;
#pragma unroll
    for (int k = 0; k < kWidth; ++k)
      out.v[k] = static_cast<T>(y_i * ((row == j + k ? A(1) : A(0)) - y_at(r, j + k)));
    store(out, jacobian.row(first_row * cols + at) + j);
  }
}

}  // namespace

template <class T>
void softmax_jacobian(Const<T> y, MatrixView<T> jacobian, cudaStream_t stream) {
  expects(y.cols > 0 && y.stride >= y.cols, "at least one column");
  expects(jacobian.cols == y.cols && jacobian.rows == y.rows * y.cols && jacobian.stride >= y.cols,
          "a Jacobian of rows * cols x cols");
  constexpr int kWidth = elements_per_access(sizeof(T));
  const bool vectorized = y.cols % kWidth == 0 && jacobian.stride % kWidth == 0 &&
                          reinterpret_cast<std::uintptr_t>(jacobian.data) % kAccessBytes == 0;
  const int rows_of_y = y.cols < kRows ? kRows / static_cast<int>(y.cols) : 1;
  const int parts = static_cast<int>(blocks_for(y.cols, kRows));
  const std::size_t bytes = static_cast<std::size_t>(rows_of_y * y.cols) * sizeof(T);
  const bool staged = bytes <= (std::size_t{48} << 10);
  const LaunchOn on{.grid = blocks_for(y.rows, rows_of_y) * parts,
                    .block = kThreads,
                    .shared_bytes = staged ? bytes : 0,
                    .stream = stream};
  vectorized ? launch(on, jacobian_kernel<kWidth, T>, y, jacobian, rows_of_y, parts, staged)
             : launch(on, jacobian_kernel<1, T>, y, jacobian, rows_of_y, parts, staged);
}

// CMakeLists.txt compiles this file once for each element type.
template void softmax_jacobian<SOFTWARP_T>(Const<SOFTWARP_T>, MatrixView<SOFTWARP_T>, cudaStream_t);

}  // namespace softwarp
