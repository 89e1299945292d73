#pragma once

// The ops that softmax_bench times, their inputs, and their definitions in double.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace softwarp {

enum class SoftmaxOp { softmax, log_softmax, softmax_backward, log_softmax_backward, cross_entropy };

struct SoftmaxOpInfo {
  SoftmaxOp op;
  const char* name;
  int matrices;  // that must be read or written: one each
};
inline constexpr SoftmaxOpInfo kSoftmaxOps[] = {{SoftmaxOp::softmax, "softmax", 2},
                                                {SoftmaxOp::log_softmax, "log_softmax", 2},
                                                {SoftmaxOp::softmax_backward, "softmax_backward", 3},
                                                {SoftmaxOp::log_softmax_backward, "log_softmax_backward", 3},
                                                {SoftmaxOp::cross_entropy, "cross_entropy", 2}};

inline bool is_backward(SoftmaxOp op) {
  return op == SoftmaxOp::softmax_backward || op == SoftmaxOp::log_softmax_backward;
}

struct SoftmaxShape {
  std::int64_t rows, cols;
  std::size_t size() const { return static_cast<std::size_t>(rows * cols); }
  std::string text() const { return std::to_string(rows) + "x" + std::to_string(cols); }
};

// Normal logits of deviation 2, gradients of deviation 1, random targets: some rows of them, of which a
// matrix is made by repetition, row r from row r % rows, because random numbers take longer than all that is
// timed.
struct SoftmaxInputs {
  static constexpr std::int64_t kElements = 8192, kLeastRows = 3;

  explicit SoftmaxInputs(const SoftmaxShape& shape)
      : rows(std::min(shape.rows, std::max(kLeastRows, kElements / shape.cols))),
        x(static_cast<std::size_t>(rows * shape.cols)),
        g(x.size()) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& v : x) v = 2 * normal(random);
    for (float& v : g) v = normal(random);
    for (std::int64_t r = 0; r < rows; ++r)
      targets.push_back(static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(shape.cols)));
  }

  std::int64_t rows;
  std::vector<float> x, g;
  std::vector<std::int32_t> targets;
};

template <class T>
std::vector<T> repeated(const std::vector<T>& values, std::size_t size) {
  std::vector<T> result(size);
  for (std::size_t i = 0; i < size; i += values.size())
    std::copy_n(values.begin(), std::min(values.size(), size - i),
                result.begin() + static_cast<std::ptrdiff_t>(i));
  return result;
}

// The op's result for one row: y or log y from x, dx from x and the gradient g of its result, or the gradient
// of cross-entropy's mean over `rows`.
inline std::vector<double> defined(SoftmaxOp op, std::span<const float> x, std::span<const float> g,
                                   std::int32_t target, std::int64_t rows) {
  double max = -INFINITY, sum = 0, dot = 0, total = 0;
  for (const float v : x) max = std::fmax(max, static_cast<double>(v));
  for (const float v : x) sum += std::exp(static_cast<double>(v) - max);
  std::vector<double> result;
  const auto y = [&](std::size_t c) { return std::exp(static_cast<double>(x[c]) - max) / sum; };
  for (std::size_t c = 0; c < x.size(); ++c)
    dot += y(c) * static_cast<double>(g[c]), total += static_cast<double>(g[c]);
  for (std::size_t c = 0; c < x.size(); ++c) switch (op) {
      case SoftmaxOp::softmax: result.push_back(y(c)); break;
      case SoftmaxOp::log_softmax: result.push_back(static_cast<double>(x[c]) - max - std::log(sum)); break;
      case SoftmaxOp::softmax_backward: result.push_back(y(c) * (static_cast<double>(g[c]) - dot)); break;
      case SoftmaxOp::log_softmax_backward: result.push_back(static_cast<double>(g[c]) - y(c) * total); break;
      case SoftmaxOp::cross_entropy:
        result.push_back((y(c) - (static_cast<std::int32_t>(c) == target ? 1 : 0)) /
                         static_cast<double>(rows));
        break;
    }
  return result;
}

// Looks at the last row of a result, so that nobody is timed on wrong ones. `tolerance` is relative to the
// row's largest.
inline bool is_right(SoftmaxOp op, const SoftmaxShape& shape, const SoftmaxInputs& in,
                     std::span<const float> last_row, double tolerance) {
  const auto cols = static_cast<std::size_t>(shape.cols);
  const auto row = static_cast<std::size_t>((shape.rows - 1) % in.rows);
  const auto expected = defined(op, std::span(in.x).subspan(row * cols, cols),
                                std::span(in.g).subspan(row * cols, cols), in.targets[row], shape.rows);
  double worst = 0, largest = 0;
  for (std::size_t c = 0; c < cols; ++c) {
    worst = std::fmax(worst, std::abs(static_cast<double>(last_row[c]) - expected[c]));
    largest = std::fmax(largest, std::abs(expected[c]));
    if (!(std::abs(static_cast<double>(last_row[c])) < INFINITY)) return false;
  }
  return worst <= tolerance * largest;
}

}  // namespace softwarp
