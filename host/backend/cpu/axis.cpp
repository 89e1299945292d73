// A block of neighbouring columns is copied so that each becomes a row, the code for rows computes, and the
// result is copied back. The block is as wide as a cache line or two, so that each line is read once.

#include "host/backend/cpu/axis.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "host/backend/cpu/softmax.h"

namespace softwarp::cpu {
namespace {

constexpr std::int64_t kBlockElements = 16384;
constexpr std::int64_t kWorthThreads = 16384;

// Columns [from, from + width) of the slice `outer`.
struct Columns {
  std::int64_t outer, from, width;
};

template <class T>
void read_columns(const AxisShape& shape, const Columns& block, const T* tensor, T* rows) {
  const T* const first = tensor + block.outer * shape.cols * shape.inner + block.from;
  for (std::int64_t c = 0; c < shape.cols; ++c)
    for (std::int64_t i = 0; i < block.width; ++i) rows[i * shape.cols + c] = first[c * shape.inner + i];
}

template <class T>
void write_columns(const AxisShape& shape, const Columns& block, const T* rows, T* tensor) {
  T* const first = tensor + block.outer * shape.cols * shape.inner + block.from;
  for (std::int64_t c = 0; c < shape.cols; ++c)
    for (std::int64_t i = 0; i < block.width; ++i) first[c * shape.inner + i] = rows[i * shape.cols + c];
}

// run(matrices) for the columns of all inputs, as rows; its result is in the last matrix.
template <class T, std::size_t kInputs, class Run>
void by_columns(const AxisShape& shape, const std::array<const T*, kInputs>& inputs, T* output, Run run) {
  const auto line = static_cast<std::int64_t>(64 / sizeof(T));
  const std::int64_t width = std::min(std::max(kBlockElements / shape.cols / line * line, line), shape.inner);
  const std::int64_t blocks = (shape.inner + width - 1) / width;
  const auto inputs_count = static_cast<std::int64_t>(kInputs);
  const std::int64_t total = shape.outer * blocks;
  const auto threads = std::min<std::int64_t>(omp_get_max_threads(), total);
  std::vector<T> memory(static_cast<std::size_t>(threads * inputs_count * width * shape.cols));
#pragma omp parallel for schedule(static) \
    num_threads(static_cast<int>(threads)) if (total > 1 && shape.size() >= kWorthThreads)
  for (std::int64_t b = 0; b < total; ++b) {
    const std::int64_t from = b % blocks * width;
    const Columns columns{b / blocks, from, std::min(width, shape.inner - from)};
    std::array<AnyMatrix, kInputs> rows;
    for (std::size_t k = 0; k < kInputs; ++k) {
      T* const place = memory.data() + (omp_get_thread_num() * inputs_count + static_cast<std::int64_t>(k)) *
                                           width * shape.cols;
      read_columns(shape, columns, inputs[k], place);
      rows[k] = {shape.dtype, place, columns.width, shape.cols, shape.cols};
    }
    run(rows);
    write_columns(shape, columns, static_cast<const T*>(rows.back().data), output);
  }
}

// Elements are only moved here, so their size is all that counts.
template <class F>
void for_size(DType dtype, F f) {
  switch (dtype) {
    case DType::float64: return f(std::uint64_t{});
    case DType::float32: return f(std::uint32_t{});
    default: return f(std::uint16_t{});
  }
}

}  // namespace

void forward_axis(RowFunction function, const AxisShape& shape, const void* x, void* y) {
  for_size(shape.dtype, [&]<class T>(T) {
    by_columns<T, 1>(shape, {static_cast<const T*>(x)}, static_cast<T*>(y),
                     [&](const auto& rows) { forward(function, rows[0], rows[0]); });
  });
}

void backward_axis(RowFunction function, const AxisShape& shape, const void* y, const void* dy, void* dx) {
  for_size(shape.dtype, [&]<class T>(T) {
    by_columns<T, 2>(shape, {static_cast<const T*>(y), static_cast<const T*>(dy)}, static_cast<T*>(dx),
                     [&](const auto& rows) { backward(function, rows[0], rows[1], rows[1]); });
  });
}

}  // namespace softwarp::cpu
