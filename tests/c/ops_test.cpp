// Each function of softwarp.h on each device, of each type, against the definitions in double: are the right
// op, type, matrix and stride behind it? What the ops do with special values is tested where they are.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "tests/c/device_memory.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using reference::Row;

constexpr std::int64_t kRows = 5, kCols = 37;

struct Case {
  softwarp_device device;
  softwarp_dtype dtype;
  double tolerance;  // of values around 1
};

std::size_t size_of(softwarp_dtype dtype) {
  return dtype == SOFTWARP_FLOAT64 ? 8 : dtype == SOFTWARP_FLOAT32 ? 4 : 2;
}

template <class Op>
void for_type(softwarp_dtype dtype, Op op) {
  switch (dtype) {
    case SOFTWARP_FLOAT64: return op(double{});
    case SOFTWARP_FLOAT16: return op(__half{});
    case SOFTWARP_BFLOAT16: return op(__nv_bfloat16{});
    default: return op(float{});
  }
}

// A matrix on a device; what lies between its rows must stay as it is.
class Placed {
 public:
  Placed(const Case& c, std::int64_t rows, std::int64_t cols, std::int64_t stride)
      : dtype_(c.dtype),
        rows_(rows),
        cols_(cols),
        stride_(stride),
        memory_(c.device, static_cast<std::size_t>(rows * stride) * size_of(c.dtype)) {
    set({});
  }
  void* data() const { return memory_.data(); }
  std::int64_t stride() const { return stride_; }

  // Rounds the values to the type, and returns them so.
  std::vector<Row> set(const std::vector<float>& values) const {
    for_type(dtype_, [&]<class T>(T) {
      std::vector<T> all(static_cast<std::size_t>(rows_ * stride_), T(kFence));
      for (std::size_t i = 0; i < values.size(); ++i) all[place(static_cast<std::int64_t>(i))] = T(values[i]);
      memory_.write(all.data());
    });
    return rows();
  }
  std::vector<Row> rows() const {
    std::vector<Row> found;
    for_type(dtype_, [&]<class T>(T) {
      std::vector<T> all(static_cast<std::size_t>(rows_ * stride_));
      memory_.read(all.data());
      for (std::int64_t r = 0; r < rows_; ++r) {
        const auto row = all.begin() + r * stride_;
        found.emplace_back();
        for (std::int64_t c = 0; c < cols_; ++c)
          found.back().push_back(static_cast<double>(static_cast<float_of<T>>(row[c])));
        for (std::int64_t c = cols_; c < stride_; ++c)
          EXPECT_EQ(static_cast<float>(row[c]), kFence) << "row " << r << " wrote behind its end";
      }
    });
    return found;
  }

 private:
  static constexpr float kFence = 4096;
  template <class T>
  using float_of = std::conditional_t<std::is_same_v<T, double>, double, float>;
  std::size_t place(std::int64_t i) const {
    return static_cast<std::size_t>(i / cols_ * stride_ + i % cols_);
  }

  softwarp_dtype dtype_;
  std::int64_t rows_, cols_, stride_;
  DeviceMemory memory_;
};

void expect_near(const std::vector<Row>& found, const std::vector<Row>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t r = 0; r < found.size(); ++r)
    for (std::size_t c = 0; c < found[r].size(); ++c)
      ASSERT_NEAR(found[r][c], expected[r][c], tolerance * (1 + std::abs(expected[r][c])))
          << "row " << r << " column " << c;
}

template <class Definition, class... Inputs>
std::vector<Row> by_row(Definition definition, const Inputs&... inputs) {
  std::vector<Row> rows;
  for (std::size_t r = 0; r < static_cast<std::size_t>(kRows); ++r) rows.push_back(definition(inputs[r]...));
  return rows;
}

Row log_softmax_backward(const Row& y, const Row& dy) {
  double sum = 0;
  for (const double g : dy) sum += g;
  Row dx;
  for (std::size_t i = 0; i < y.size(); ++i) dx.push_back(dy[i] - std::exp(y[i]) * sum);
  return dx;
}

std::vector<float> numbers(unsigned seed, float scale = 1) {
  return reference::random_floats(static_cast<std::size_t>(kRows * kCols), seed, scale);
}

class COps : public testing::TestWithParam<Case> {
 protected:
  void expect_success(softwarp_status status) {
    EXPECT_EQ(status, SOFTWARP_SUCCESS) << softwarp_last_error();
    EXPECT_STREQ(softwarp_last_error(), "");
  }
  Case c = GetParam();
};

TEST_P(COps, Softmax) {
  const Placed x(c, kRows, kCols, kCols + 3), y(c, kRows, kCols, kCols + 8);
  const auto rows = x.set(numbers(1, 2)), expected = by_row(reference::softmax, rows);
  expect_success(softwarp_softmax(c.device, c.dtype, kRows, kCols, x.data(), x.stride(), y.data(), y.stride(),
                                  nullptr, 0, nullptr));
  expect_near(y.rows(), expected, c.tolerance);
  // In place, with workspace.
  const DeviceMemory workspace(c.device, SOFTWARP_SPLIT_ROW_WORKSPACE_BYTES);
  expect_success(softwarp_softmax(c.device, c.dtype, kRows, kCols, x.data(), x.stride(), x.data(), x.stride(),
                                  workspace.data(), SOFTWARP_SPLIT_ROW_WORKSPACE_BYTES, nullptr));
  expect_near(x.rows(), expected, c.tolerance);
}

TEST_P(COps, LogSoftmax) {
  const Placed x(c, kRows, kCols, kCols + 3), y(c, kRows, kCols, kCols);
  const auto rows = x.set(numbers(2, 2));
  expect_success(softwarp_log_softmax(c.device, c.dtype, kRows, kCols, x.data(), x.stride(), y.data(),
                                      y.stride(), nullptr, 0, nullptr));
  expect_near(y.rows(), by_row(reference::log_softmax, rows), c.tolerance);
}

TEST_P(COps, SoftmaxBackward) {
  const Placed y(c, kRows, kCols, kCols), dy(c, kRows, kCols, kCols + 1), dx(c, kRows, kCols, kCols + 2);
  std::vector<float> probabilities = numbers(3);
  for (float& p : probabilities) p = std::abs(p) / kCols;
  const auto outputs = y.set(probabilities), above = dy.set(numbers(4));
  expect_success(softwarp_softmax_backward(c.device, c.dtype, kRows, kCols, y.data(), y.stride(), dy.data(),
                                           dy.stride(), dx.data(), dx.stride(), nullptr, 0, nullptr));
  const auto definition = [](const Row& p, const Row& g) {
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * g[i];
    Row result;
    for (std::size_t i = 0; i < p.size(); ++i) result.push_back(p[i] * (g[i] - sum));
    return result;
  };
  expect_near(dx.rows(), by_row(definition, outputs, above), c.tolerance);
}

TEST_P(COps, LogSoftmaxBackward) {
  const Placed y(c, kRows, kCols, kCols), dy(c, kRows, kCols, kCols + 1), dx(c, kRows, kCols, kCols + 2);
  std::vector<float> logarithms = numbers(5);
  for (float& v : logarithms) v = -1 - std::abs(v);
  const auto outputs = y.set(logarithms), above = dy.set(numbers(6));
  expect_success(softwarp_log_softmax_backward(c.device, c.dtype, kRows, kCols, y.data(), y.stride(),
                                               dy.data(), dy.stride(), dx.data(), dx.stride(), nullptr, 0,
                                               nullptr));
  expect_near(dx.rows(), by_row(log_softmax_backward, outputs, above), c.tolerance);
}

TEST_P(COps, Jacobian) {
  const Placed y(c, kRows, kCols, kCols + 1), jacobian(c, kRows * kCols, kCols, kCols + 2);
  const auto outputs = y.set(numbers(7));
  expect_success(softwarp_softmax_jacobian(c.device, c.dtype, kRows, kCols, y.data(), y.stride(),
                                           jacobian.data(), jacobian.stride(), nullptr));
  std::vector<Row> expected;
  for (const Row& p : outputs)
    for (std::size_t i = 0; i < p.size(); ++i) {
      expected.emplace_back();
      for (std::size_t j = 0; j < p.size(); ++j) expected.back().push_back(p[i] * ((i == j) - p[j]));
    }
  expect_near(jacobian.rows(), expected, c.tolerance);
}

// One target is ignored and one is no class; smoothing and weights differ from the defaults.
// 0 x inf, and the mean 0 / 0.
TEST(CCrossEntropy, IsNaNWherePyTorchsIs) {
  const auto loss = [](std::vector<float> logits, std::vector<std::int32_t> targets,
                       std::vector<float> weights, float smoothing) {
    const auto rows = static_cast<std::int64_t>(targets.size());
    const softwarp_cross_entropy_options options = {weights.empty() ? nullptr : weights.data(), smoothing,
                                                    -100};
    std::vector<float> losses(targets.size()), gradient(logits.size());
    softwarp_cross_entropy_sums sums{};
    EXPECT_EQ(softwarp_softmax_cross_entropy(SOFTWARP_CPU, SOFTWARP_FLOAT32, rows, 3, logits.data(), 3,
                                             targets.data(), &options, losses.data(), gradient.data(), 3,
                                             &sums, nullptr, 0, nullptr),
              SOFTWARP_SUCCESS);
    return std::pair(sums.loss / sums.weight, gradient);
  };
  const float inf = std::numeric_limits<float>::infinity();
  const auto [smoothed, finite] = loss({0, -inf, 1}, {0}, {1, 0, 1}, 0.1f);
  EXPECT_TRUE(std::isnan(smoothed));
  const auto [mean, none] = loss({0, 1, 2, 2, 1, 0}, {0, 1}, {0, 0, 1}, 0);
  EXPECT_TRUE(std::isnan(mean));
  for (const float value : none) EXPECT_TRUE(std::isnan(value));
  const auto [masked, slope] = loss({0, -inf, 1}, {0}, {}, 0);  // without smoothing
  EXPECT_NEAR(masked, std::log1p(std::exp(1.0)), 1e-6);
  EXPECT_NEAR(slope[0], -1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_EQ(slope[1], 0);
}

TEST_P(COps, CrossEntropy) {
  std::size_t bytes = 0;
  const softwarp_status known =
      softwarp_cross_entropy_workspace_bytes(c.device, c.dtype, kRows, kCols, &bytes);
  if (c.device == SOFTWARP_CPU && c.dtype != SOFTWARP_FLOAT32) {
    EXPECT_EQ(known, SOFTWARP_UNSUPPORTED);
    return;
  }
  expect_success(known);
  EXPECT_EQ(bytes > 0, c.device == SOFTWARP_CUDA);

  const Placed logits(c, kRows, kCols, kCols + 4), dlogits(c, kRows, kCols, kCols);
  const auto rows = logits.set(numbers(8, 2));
  const std::vector<std::int32_t> targets{3, 7, 0, kCols, kCols - 1};
  std::vector<float> weights(kCols);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 0.5f + static_cast<float>(i % 3);
  const DeviceMemory on_device(c.device, sizeof(std::int32_t) * targets.size()),
      of_classes(c.device, sizeof(float) * weights.size()), losses(c.device, sizeof(float) * kRows),
      sums(c.device, sizeof(softwarp_cross_entropy_sums)), workspace(c.device, bytes);
  on_device.write(targets.data());
  of_classes.write(weights.data());
  const softwarp_cross_entropy_options options = {static_cast<const float*>(of_classes.data()), 0.1f, 7};
  const auto run = [&](void* gradient) {
    expect_success(softwarp_softmax_cross_entropy(
        c.device, c.dtype, kRows, kCols, logits.data(), logits.stride(),
        static_cast<const std::int32_t*>(on_device.data()), &options, static_cast<float*>(losses.data()),
        gradient, dlogits.stride(), static_cast<softwarp_cross_entropy_sums*>(sums.data()), workspace.data(),
        bytes, nullptr));
  };
  run(dlogits.data());

  const Row class_weights(weights.begin(), weights.end());
  std::vector<float> found(kRows);
  losses.read(found.data());
  for (const std::size_t r : {0U, 2U, 4U}) {
    const double loss = reference::cross_entropy(rows[r], targets[r], class_weights, 0.1f);
    EXPECT_NEAR(found[r], loss, std::max(c.tolerance, 1e-5) * (1 + loss)) << "row " << r;
  }
  EXPECT_EQ(found[1], 0);
  EXPECT_TRUE(std::isnan(found[3]));

  // Off the target, class j's share of the gradient: central differences of the definition.
  const double weight = class_weights[3] + class_weights[0] + class_weights[kCols - 1];
  const auto gradient = dlogits.rows();
  for (const std::size_t j : {std::size_t{0}, std::size_t{3}, std::size_t{20}}) {
    constexpr double kStep = 1e-5;
    Row more = rows[0], less = rows[0];
    more[j] += kStep;
    less[j] -= kStep;
    const double slope = (reference::cross_entropy(more, 3, class_weights, 0.1f) -
                          reference::cross_entropy(less, 3, class_weights, 0.1f)) /
                         (2 * kStep);
    EXPECT_NEAR(gradient[0][j], slope / weight, std::max(c.tolerance, 1e-6)) << "class " << j;
  }
  EXPECT_EQ(gradient[1], Row(kCols, 0.0));
  EXPECT_TRUE(std::isnan(gradient[3][0]));

  run(nullptr);  // the loss alone; sums go on
  softwarp_cross_entropy_sums total;
  sums.read(&total);
  EXPECT_EQ(total.rows, 2 * (kRows - 1));
  EXPECT_EQ(total.invalid_targets, 2);
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  constexpr const char* kTypes[] = {"Float32", "Float64", "Float16", "Bfloat16"};
  return std::string(info.param.device == SOFTWARP_CPU ? "Cpu" : "Cuda") + kTypes[info.param.dtype];
}

INSTANTIATE_TEST_SUITE_P(All, COps,
                         testing::Values(Case{SOFTWARP_CPU, SOFTWARP_FLOAT32, 1e-6},
                                         Case{SOFTWARP_CPU, SOFTWARP_FLOAT64, 1e-14},
                                         Case{SOFTWARP_CPU, SOFTWARP_FLOAT16, 0x1p-11},
                                         Case{SOFTWARP_CPU, SOFTWARP_BFLOAT16, 0x1p-8},
                                         Case{SOFTWARP_CUDA, SOFTWARP_FLOAT32, 1e-6},
                                         Case{SOFTWARP_CUDA, SOFTWARP_FLOAT64, 1e-14},
                                         Case{SOFTWARP_CUDA, SOFTWARP_FLOAT16, 0x1p-11},
                                         Case{SOFTWARP_CUDA, SOFTWARP_BFLOAT16, 0x1p-8}),
                         name_of);

}  // namespace
}  // namespace softwarp
