#include "host/backend/cpu/half_rows.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "host/backend/cpu/half.h"
#include "host/backend/cpu/softmax.h"

namespace softwarp::cpu {
namespace {

constexpr std::int64_t kElementsAThread = 32768;  // 128 KiB of floats
constexpr std::int64_t kWorthThreads = 16384;

// work(first, count) for some rows at a time.
template <class Work>
void by_rows(std::int64_t rows, std::int64_t cols, Work work) {
  const std::int64_t count = rows_at_a_time(rows, cols);
  for (std::int64_t first = 0; first < rows; first += count) work(first, std::min(count, rows - first));
}

template <class V>
auto* row_of(const BasicAnyMatrix<V>& m, std::int64_t r) {
  return m.template view<std::conditional_t<std::is_const_v<V>, const std::uint16_t, std::uint16_t>>().row(r);
}

// Rows without gaps are one long row to conversions.
struct Span {
  std::int64_t rows, cols;
};
Span span_of(const ConstAnyMatrix& m, std::int64_t rows) {
  return m.stride == m.cols ? Span{1, rows * m.cols} : Span{rows, m.cols};
}

// f(row, begin, size) for the parts of rows, shared by threads.
template <class F>
void for_parts(std::int64_t rows, std::int64_t cols, F f) {
  const std::int64_t parts = (cols + kElementsAThread - 1) / kElementsAThread;
#pragma omp parallel for schedule(static) if (rows * cols >= kWorthThreads)
  for (std::int64_t i = 0; i < rows * parts; ++i) {
    const std::int64_t begin = i % parts * kElementsAThread;
    f(i / parts, begin, std::min(kElementsAThread, cols - begin));
  }
}

}  // namespace

float* float_buffer(std::int64_t size) {
  static thread_local std::vector<float> memory;
  if (memory.size() < static_cast<std::size_t>(size)) memory.resize(static_cast<std::size_t>(size));
  return memory.data();
}

std::int64_t rows_at_a_time(std::int64_t rows, std::int64_t cols) {
  return std::clamp<std::int64_t>(kElementsAThread * omp_get_max_threads() / cols, 1,
                                  std::max<std::int64_t>(rows, 1));
}

void widen_rows(const ConstAnyMatrix& m, std::int64_t first, std::int64_t count, float* to) {
  const Span span = span_of(m, count);
  for_parts(span.rows, span.cols, [&](std::int64_t r, std::int64_t begin, std::int64_t size) {
    widen(m.dtype, row_of(m, first + r) + begin, size, to + r * m.cols + begin);
  });
}

void narrow_rows(const float* from, std::int64_t first, std::int64_t count, const AnyMatrix& m) {
  const Span span = span_of(m, count);
  for_parts(span.rows, span.cols, [&](std::int64_t r, std::int64_t begin, std::int64_t size) {
    narrow(m.dtype, from + r * m.cols + begin, size, row_of(m, first + r) + begin);
  });
}

void forward_half(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y) {
  float* const buffer = float_buffer(rows_at_a_time(x.rows, x.cols) * x.cols);
  by_rows(x.rows, x.cols, [&](std::int64_t first, std::int64_t count) {
    widen_rows(x, first, count, buffer);
    const auto floats = matrix_view(buffer, count, x.cols);
    forward(function, ConstMatrixView<float>(floats), floats);
    narrow_rows(buffer, first, count, y);
  });
}

void backward_half(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy,
                   const AnyMatrix& dx) {
  const std::int64_t size = rows_at_a_time(y.rows, y.cols) * y.cols;
  float* const outputs = float_buffer(2 * size);
  float* const above = outputs + size;
  by_rows(y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    widen_rows(y, first, count, outputs);
    widen_rows(dy, first, count, above);
    const auto floats = matrix_view(above, count, y.cols);
    backward(function, ConstMatrixView<float>(matrix_view(outputs, count, y.cols)),
             ConstMatrixView<float>(floats), floats);
    narrow_rows(above, first, count, dx);
  });
}

// A row of y and one of the Jacobian's at a time: -y_i y_j, and y_i (1 - y_i) on the diagonal.
void jacobian_half(const ConstAnyMatrix& y, const AnyMatrix& jacobian) {
  const std::int64_t cols = y.cols;
  float* const memory = float_buffer((omp_get_max_threads() + 1) * cols);
  for (std::int64_t r = 0; r < y.rows; ++r) {
    const float* const s = memory;
    widen(y.dtype, row_of(y, r), cols, memory);
#pragma omp parallel for schedule(static) if (cols * cols >= kWorthThreads)
    for (std::int64_t i = 0; i < cols; ++i) {
      float* const row = memory + (1 + omp_get_thread_num()) * cols;
      for (std::int64_t j = 0; j < cols; ++j) row[j] = -s[i] * s[j];
      row[i] = s[i] * (1 - s[i]);
      narrow(y.dtype, row, cols, row_of(jacobian, r * cols + i));
    }
  }
}

void argmax_half(const ConstAnyMatrix& x, std::int32_t* best) {
  float* const buffer = float_buffer(rows_at_a_time(x.rows, x.cols) * x.cols);
  by_rows(x.rows, x.cols, [&](std::int64_t first, std::int64_t count) {
    widen_rows(x, first, count, buffer);
    argmax(ConstMatrixView<float>(matrix_view(buffer, count, x.cols)), best + first);
  });
}

}  // namespace softwarp::cpu
