#pragma once

// The definitions in double, row by row, and what float arithmetic may add to them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "tests/kernels/numbers.h"

namespace softwarp {

using Doubles = std::vector<double>;

// The type of reference computations, which has more digits than the results.
template <class T>
using Truth = std::conditional_t<std::is_same_v<T, double>, long double, double>;

struct RowsReference {
  std::int64_t rows = 0, cols = 0;
  Doubles x, shifted, softmax, log_softmax;  // shifted: x - max
};

template <class T>
RowsReference rows_reference(const std::vector<T>& x, std::int64_t rows, std::int64_t cols) {
  RowsReference all{.rows = rows, .cols = cols, .x = {}, .shifted = {}, .softmax = {}, .log_softmax = {}};
  for (const T v : x) all.x.push_back(to_double(v));
  for (std::int64_t r = 0; r < rows; ++r) {
    const double* row = all.x.data() + r * cols;
    const double max = *std::max_element(row, row + cols);
    Truth<T> sum = 0;
    for (std::int64_t j = 0; j < cols; ++j) sum += std::exp(Truth<T>(row[j]) - max);
    for (std::int64_t j = 0; j < cols; ++j) {
      const Truth<T> shifted = Truth<T>(row[j]) - max;
      all.shifted.push_back(static_cast<double>(shifted));
      all.softmax.push_back(static_cast<double>(std::exp(shifted) / sum));
      all.log_softmax.push_back(static_cast<double>(shifted - std::log(sum)));
    }
  }
  return all;
}

// How many roundings of a row's sum follow one another, beyond those of rows of 4096, in half an epsilon
// each: a streamed row adds up batches of 16 elements, or more, of 512 threads, where a running sum would
// have one rounding for each element.
inline double growth(std::int64_t cols) {
  return cols <= 4096 ? 0 : 0.5 * static_cast<double>(cols) / (512 * 16);
}

// Relative error of exp(x - m) / sum: x - m is rounded before exp, which then is off by |x - m| roundings.
template <class A>
double softmax_tolerance(double y, double shifted, std::int64_t cols) {
  return y * kEpsilon<A> * (4 + growth(cols) + 2 * std::abs(shifted)) + kTiny<A>;
}

// x - m and the difference from log sum are rounded, and the sum's relative error is the logarithm's absolute
// one.
template <class A>
double log_softmax_tolerance(double log_y, std::int64_t cols) {
  return kEpsilon<A> * (4 + growth(cols) + 2 * std::abs(log_y));
}

// dx = y (g - s), s = sum of y g: the terms' roundings, and those of s.
template <class A>
double backward_tolerance(double y, double g, double sum_of_sizes, std::int64_t cols) {
  return kEpsilon<A> * (4 + growth(cols)) * std::abs(y) * (std::abs(g) + sum_of_sizes) + kTiny<A>;
}

// dx = g - exp(y) s, s = sum of g.
template <class A>
double log_backward_tolerance(double log_y, double g, double sum_of_sizes, std::int64_t cols) {
  return kEpsilon<A> *
             (std::abs(g) + (5 + growth(cols) + 2 * std::abs(log_y)) * std::exp(log_y) * sum_of_sizes) +
         kTiny<A>;
}

}  // namespace softwarp
