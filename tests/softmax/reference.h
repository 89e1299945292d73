#pragma once

#include <softwarp/cross_entropy.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

// The definitions in double, one row at a time.
namespace softwarp::reference {

using Row = std::vector<double>;

// exp(x_i) / sum exp(x_k), as it is first written down. Overflows where an x_i is above 709.
inline Row naive_softmax(const Row& x) {
  double sum = 0;
  for (const double v : x) sum += std::exp(v);
  Row y;
  for (const double v : x) y.push_back(std::exp(v) / sum);
  return y;
}

inline Row softmax(const Row& x) {
  const double max = *std::max_element(x.begin(), x.end());
  Row shifted;
  for (const double v : x) shifted.push_back(v - max);
  return naive_softmax(shifted);
}

inline Row log_softmax(const Row& x) {
  const double max = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const double v : x) sum += std::exp(v - max);
  Row y;
  for (const double v : x) y.push_back(v - max - std::log(sum));
  return y;
}

// gᵀ J with the Jacobian written out: J_ij = y_i (1 - y_i) where i = j, -y_i y_j where not.
inline Row softmax_backward(const Row& y, const Row& g) {
  Row dx(y.size());
  for (std::size_t j = 0; j < y.size(); ++j)
    for (std::size_t i = 0; i < y.size(); ++i) dx[j] += g[i] * (i == j ? y[i] * (1 - y[i]) : -y[i] * y[j]);
  return dx;
}

// One row's loss: (1 - e) w_t nll_t + e/N sum_j w_j nll_j.
inline double cross_entropy(const Row& x, std::int32_t target, const Row& weights, double e) {
  const Row y = log_softmax(x);
  double all = 0;
  for (std::size_t j = 0; j < x.size(); ++j) all -= weights[j] * y[j];
  const auto t = static_cast<std::size_t>(target);
  return -(1 - e) * weights[t] * y[t] + (e > 0 ? e / static_cast<double>(x.size()) * all : 0);
}

inline std::vector<float> random_floats(std::size_t size, unsigned seed, float scale = 1, float offset = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(size);
  for (float& v : values) v = scale * normal(random) + offset;
  return values;
}

inline Row row_of(const std::vector<float>& values, std::int64_t first, std::int64_t cols) {
  return Row(values.begin() + first, values.begin() + first + cols);
}

}  // namespace softwarp::reference
