// The functions of softwarp.h along an axis, argmax, and cross-entropy with reductions, against the
// definitions in double.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include "tests/c/device_memory.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using reference::Row;

constexpr double kInf = std::numeric_limits<double>::infinity();

template <class Op>
auto for_type(softwarp_dtype dtype, Op op) {
  switch (dtype) {
    case SOFTWARP_FLOAT64: return op(double{});
    case SOFTWARP_FLOAT16: return op(__half{});
    case SOFTWARP_BFLOAT16: return op(__nv_bfloat16{});
    default: return op(float{});
  }
}

// A result of numbers around 1: the error of the code of float or double, and half a unit in the last place.
double bound_of(softwarp_dtype dtype) {
  switch (dtype) {
    case SOFTWARP_FLOAT64: return 1e-14;
    case SOFTWARP_FLOAT16: return 0x1p-11 + 4e-6;
    case SOFTWARP_BFLOAT16: return 0x1p-8 + 4e-6;
    default: return 4e-6;
  }
}

// Numbers on a device.
class Numbers {
 public:
  Numbers(softwarp_device device, softwarp_dtype dtype, const Row& values)
      : dtype_(dtype),
        size_(values.size()),
        memory_(device, values.size() * for_type(dtype, [](auto v) { return sizeof(v); })) {
    for_type(dtype_, [&]<class T>(T) {
      std::vector<T> typed;
      for (const double v : values) typed.push_back(T(static_cast<wide_of<T>>(v)));
      memory_.write(typed.data());
    });
  }
  void* data() const { return memory_.data(); }
  // As the type rounds them.
  Row values() const {
    return for_type(dtype_, [&]<class T>(T) {
      std::vector<T> typed(size_);
      memory_.read(typed.data());
      Row all;
      for (const T& v : typed) all.push_back(static_cast<double>(static_cast<wide_of<T>>(v)));
      return all;
    });
  }

 private:
  template <class T>
  using wide_of = std::conditional_t<std::is_same_v<T, double>, double, float>;

  softwarp_dtype dtype_;
  std::size_t size_;
  DeviceMemory memory_;
};

Row random_row(std::size_t size, unsigned seed, float scale = 1) {
  const auto values = reference::random_floats(size, seed, scale);
  return {values.begin(), values.end()};
}

void expect_near(const Row& found, const Row& expected, double bound) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(expected[i]) || std::isinf(expected[i])) {
      ASSERT_TRUE(found[i] == expected[i] || (std::isnan(found[i]) && std::isnan(expected[i])))
          << i << ": found " << found[i] << ", expected " << expected[i];
    } else {
      ASSERT_NEAR(found[i], expected[i], bound * (1 + std::abs(expected[i]))) << i;
    }
  }
}

struct Axes {
  std::int64_t outer, cols, inner;
};

// definition(row, ...) along the middle axis of tensors.
template <class Definition, class... Tensors>
Row along_axis(const Axes& s, Definition definition, const Tensors&... tensors) {
  Row result(static_cast<std::size_t>(s.outer * s.cols * s.inner));
  for (std::int64_t o = 0; o < s.outer; ++o)
    for (std::int64_t i = 0; i < s.inner; ++i) {
      const auto at = [&](std::int64_t c) {
        return static_cast<std::size_t>((o * s.cols + c) * s.inner + i);
      };
      const auto column = [&](const Row& tensor) {
        Row row;
        for (std::int64_t c = 0; c < s.cols; ++c) row.push_back(tensor[at(c)]);
        return row;
      };
      const Row row = definition(column(tensors)...);
      for (std::int64_t c = 0; c < s.cols; ++c) result[at(c)] = row[static_cast<std::size_t>(c)];
    }
  return result;
}

Row log_softmax_backward(const Row& y, const Row& dy) {
  double sum = 0;
  for (const double g : dy) sum += g;
  Row dx;
  for (std::size_t i = 0; i < y.size(); ++i) dx.push_back(dy[i] - std::exp(y[i]) * sum);
  return dx;
}

struct On {
  softwarp_device device;
  softwarp_dtype dtype;
};

class CAxis : public testing::TestWithParam<On> {
 protected:
  On on = GetParam();
};

// One column and one row; fewer and more columns than a line; more than a block of them; enough for threads.
constexpr Axes kAxes[] = {{1, 1, 1}, {2, 7, 3}, {1, 5, 100}, {3, 40, 65}, {1, 3000, 9}, {4, 10, 700}};

TEST_P(CAxis, ForwardIsTheDefinition) {
  for (const Axes& s : kAxes) {
    const auto size = static_cast<std::size_t>(s.outer * s.cols * s.inner);
    const Numbers x(on.device, on.dtype, random_row(size, 1, 3)), y(on.device, on.dtype, Row(size));
    const auto run = [&](auto function, void* to) {
      ASSERT_EQ(function(on.device, on.dtype, s.outer, s.cols, s.inner, x.data(), to, nullptr),
                SOFTWARP_SUCCESS)
          << softwarp_last_error();
    };
    const Row values = x.values();
    run(softwarp_log_softmax_axis, y.data());
    expect_near(y.values(), along_axis(s, reference::log_softmax, values), bound_of(on.dtype));
    run(softwarp_softmax_axis, x.data());  // in place
    expect_near(x.values(), along_axis(s, reference::softmax, values), bound_of(on.dtype));
  }
}

TEST_P(CAxis, BackwardIsTheDefinition) {
  for (const Axes& s : kAxes) {
    const auto size = static_cast<std::size_t>(s.outer * s.cols * s.inner);
    const Row logits = random_row(size, 2);
    const Numbers p(on.device, on.dtype, along_axis(s, reference::softmax, logits)),
        l(on.device, on.dtype, along_axis(s, reference::log_softmax, logits)),
        dx(on.device, on.dtype, Row(size));
    const Numbers dy(on.device, on.dtype, random_row(size, 3));
    const auto run = [&](auto function, const Numbers& y, void* to) {
      ASSERT_EQ(function(on.device, on.dtype, s.outer, s.cols, s.inner, y.data(), dy.data(), to, nullptr),
                SOFTWARP_SUCCESS)
          << softwarp_last_error();
    };
    // Columns of up to 3000 summands of about 1.
    const double bound = bound_of(on.dtype) * (on.dtype == SOFTWARP_FLOAT64 ? 100 : 4);
    run(softwarp_softmax_backward_axis, p, dx.data());
    expect_near(dx.values(), along_axis(s, reference::softmax_backward, p.values(), dy.values()), bound);
    const Row expected = along_axis(s, log_softmax_backward, l.values(), dy.values());
    run(softwarp_log_softmax_backward_axis, l, dy.data());
    expect_near(dy.values(), expected, bound);
  }
}

TEST_P(CAxis, Argmax) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Numbers x(on.device, on.dtype, {1, 3, 3, 0, 0, nan, 7, 0, -kInf, -kInf, -kInf, 9});
  DeviceMemory best(on.device, 3 * sizeof(std::int32_t));
  ASSERT_EQ(softwarp_argmax(on.device, on.dtype, 3, 3, x.data(), 4, static_cast<std::int32_t*>(best.data()),
                            nullptr),
            SOFTWARP_SUCCESS)
      << softwarp_last_error();
  std::vector<std::int32_t> found(3);
  best.read(found.data());
  EXPECT_EQ(found, (std::vector<std::int32_t>{1, 1, 0}));
}

constexpr On kEverything[] = {{SOFTWARP_CPU, SOFTWARP_FLOAT32},  {SOFTWARP_CPU, SOFTWARP_FLOAT64},
                              {SOFTWARP_CPU, SOFTWARP_FLOAT16},  {SOFTWARP_CPU, SOFTWARP_BFLOAT16},
                              {SOFTWARP_CUDA, SOFTWARP_FLOAT32}, {SOFTWARP_CUDA, SOFTWARP_FLOAT64},
                              {SOFTWARP_CUDA, SOFTWARP_FLOAT16}, {SOFTWARP_CUDA, SOFTWARP_BFLOAT16}};
std::string type_name(softwarp_dtype dtype) {
  constexpr const char* kTypes[] = {"Float32", "Float64", "Float16", "Bfloat16"};
  return kTypes[dtype];
}
std::string name_of(const testing::TestParamInfo<On>& info) {
  return (info.param.device == SOFTWARP_CPU ? "Cpu" : "Cuda") + type_name(info.param.dtype);
}
INSTANTIATE_TEST_SUITE_P(All, CAxis, testing::ValuesIn(kEverything), name_of);

// A batch with a target that is ignored, its losses and gradients by the definition.
struct Batch {
  std::int64_t rows, cols;
  Row logits;
  std::vector<std::int64_t> targets;

  Batch(std::int64_t r, std::int64_t c)
      : rows(r), cols(c), logits(random_row(static_cast<std::size_t>(r * c), 5, 3)) {
    for (std::int64_t i = 0; i < rows; ++i) targets.push_back(i % 3 == 1 ? -7 : (i * 5) % cols);
  }
  Row row(const Row& all, std::int64_t r) const {
    return Row(all.begin() + r * cols, all.begin() + (r + 1) * cols);
  }
};

class CLoss : public testing::TestWithParam<softwarp_dtype> {};

// d loss_r / d x_j = (sum_k a_k) p_j - a_j with a_j the weight of nll(j) in the loss.
Row gradient_of(const Row& x, std::int64_t target, const Row& weights, double e) {
  Row a(x.size()), p = reference::softmax(x);
  double sum = 0;
  for (std::size_t j = 0; j < x.size(); ++j) {
    a[j] = e / static_cast<double>(x.size()) * weights[j];
    if (static_cast<std::int64_t>(j) == target) a[j] += (1 - e) * weights[j];
    sum += a[j];
  }
  for (std::size_t j = 0; j < x.size(); ++j) p[j] = sum * p[j] - a[j];
  return p;
}

void expect_loss(softwarp_dtype dtype, const Batch& batch, softwarp_reduction reduction, bool weighted,
                 double e) {
  const Numbers logits(SOFTWARP_CPU, dtype, batch.logits), dlogits(SOFTWARP_CPU, dtype, batch.logits);
  const std::size_t losses = reduction == SOFTWARP_NONE ? static_cast<std::size_t>(batch.rows) : 1;
  Row above(losses);
  for (std::size_t r = 0; r < losses; ++r) above[r] = 1.5 + 0.25 * static_cast<double>(r % 5);
  const Numbers loss(SOFTWARP_CPU, dtype, Row(losses)), dloss(SOFTWARP_CPU, dtype, above);
  Row weights(static_cast<std::size_t>(batch.cols), 1);
  for (std::size_t j = 0; weighted && j < weights.size(); ++j) weights[j] = 0.5 + static_cast<double>(j % 3);
  const Numbers w(SOFTWARP_CPU, dtype == SOFTWARP_FLOAT64 ? SOFTWARP_FLOAT64 : SOFTWARP_FLOAT32, weights);
  const softwarp_loss_options options{weighted ? w.data() : nullptr, e, -7, reduction, dloss.data()};
  ASSERT_EQ(softwarp_cross_entropy(SOFTWARP_CPU, dtype, batch.rows, batch.cols, logits.data(), batch.cols,
                                   batch.targets.data(), &options, loss.data(), dlogits.data(), batch.cols,
                                   nullptr),
            SOFTWARP_SUCCESS)
      << softwarp_last_error();

  const Row rounded = logits.values();
  Row each(static_cast<std::size_t>(batch.rows)), gradient;
  double sum = 0, weight = 0;
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    const std::int64_t t = batch.targets[static_cast<std::size_t>(r)];
    const Row x = batch.row(rounded, r);
    if (t != -7) {
      each[static_cast<std::size_t>(r)] =
          reference::cross_entropy(x, static_cast<std::int32_t>(t), weights, e);
      weight += weights[static_cast<std::size_t>(t)];
    }
    const double by = above[reduction == SOFTWARP_NONE ? static_cast<std::size_t>(r) : 0];
    for (const double d : t == -7 ? Row(x.size()) : gradient_of(x, t, weights, e)) gradient.push_back(by * d);
    sum += each[static_cast<std::size_t>(r)];
  }
  if (reduction == SOFTWARP_MEAN)
    for (double& d : gradient) d /= weight;
  const Row expected =
      reduction == SOFTWARP_NONE ? each : Row{reduction == SOFTWARP_MEAN ? sum / weight : sum};
  // The definition's own sums are rounded once for each column, which shows in double alone.
  const double columns = dtype == SOFTWARP_FLOAT64 ? 1 + static_cast<double>(batch.cols) / 100 : 1;
  expect_near(loss.values(), expected, bound_of(dtype) * columns);
  expect_near(dlogits.values(), gradient, bound_of(dtype) * columns);
}

TEST_P(CLoss, IsTheDefinitionWithEachReduction) {
  // A row of registers, one of vectors, more rows than are widened at a time, a batch for threads.
  for (const Batch& batch : {Batch(5, 10), Batch(3, 500), Batch(12, 9001), Batch(3000, 10)})
    for (const softwarp_reduction reduction : {SOFTWARP_NONE, SOFTWARP_SUM, SOFTWARP_MEAN})
      for (const bool weighted : {false, true})
        for (const double e : {0.0, 0.1}) {
          SCOPED_TRACE(testing::Message() << batch.rows << " x " << batch.cols << ", reduction " << reduction
                                          << (weighted ? ", weights" : "") << ", smoothing " << e);
          expect_loss(GetParam(), batch, reduction, weighted, e);
          if (testing::Test::HasFailure()) return;
        }
}

softwarp_status loss_of(softwarp_dtype dtype, const Row& values, std::vector<std::int64_t> targets,
                        std::int64_t ignored, Row& loss, Row& gradient) {
  const auto rows = static_cast<std::int64_t>(targets.size());
  const std::int64_t cols = static_cast<std::int64_t>(values.size()) / rows;
  const Numbers logits(SOFTWARP_CPU, dtype, values), mean(SOFTWARP_CPU, dtype, {42});
  const softwarp_loss_options options{nullptr, 0, ignored, SOFTWARP_MEAN, nullptr};
  const softwarp_status status =
      softwarp_cross_entropy(SOFTWARP_CPU, dtype, rows, cols, logits.data(), cols, targets.data(), &options,
                             mean.data(), logits.data(), cols, nullptr);
  loss = mean.values();
  gradient = logits.values();
  return status;
}

TEST_P(CLoss, TakesTargetsAsTheyAre) {
  Row loss, gradient;
  const Row logits = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const std::int64_t wrong : {std::int64_t{4}, std::int64_t{-1}, (std::int64_t{1} << 32) + 3}) {
    EXPECT_EQ(loss_of(GetParam(), logits, {3, wrong}, -100, loss, gradient), SOFTWARP_INVALID_ARGUMENT);
    EXPECT_EQ(softwarp_last_error(),
              "softwarp_cross_entropy: expected a target in [0, 4) or -100, which is ignored, found " +
                  std::to_string(wrong) + " in row 1");
    EXPECT_EQ(gradient, logits) << "nothing is computed";
    EXPECT_EQ(loss, Row{42});
  }
  EXPECT_EQ(loss_of(GetParam(), logits, {3, std::int64_t{1} << 40}, std::int64_t{1} << 40, loss, gradient),
            SOFTWARP_SUCCESS);
  EXPECT_EQ(Row(gradient.begin() + 4, gradient.end()), Row(4));
}

TEST_P(CLoss, OfNoCountedRowIsNaN) {
  Row loss, gradient;
  EXPECT_EQ(loss_of(GetParam(), {1, 2, 3, 4}, {-100, -100}, -100, loss, gradient), SOFTWARP_SUCCESS);
  EXPECT_TRUE(std::isnan(loss[0]));
  EXPECT_EQ(gradient, Row(4));
}

TEST_P(CLoss, OfInfinitiesIsPyTorchs) {
  Row loss, gradient;
  EXPECT_EQ(loss_of(GetParam(), {0, -kInf, 1}, {0}, -100, loss, gradient), SOFTWARP_SUCCESS);
  expect_near(loss, {std::log1p(std::exp(1.0))}, bound_of(GetParam()));
  EXPECT_EQ(gradient[1], 0);
  EXPECT_EQ(loss_of(GetParam(), {0, -kInf, 1}, {1}, -100, loss, gradient), SOFTWARP_SUCCESS);
  EXPECT_EQ(loss, Row{kInf});
  for (const Row& undefined : {Row{0, kInf, 1}, Row{-kInf, -kInf, -kInf}, Row{0, std::nan(""), 1}}) {
    EXPECT_EQ(loss_of(GetParam(), undefined, {0}, -100, loss, gradient), SOFTWARP_SUCCESS);
    EXPECT_TRUE(std::isnan(loss[0]));
    EXPECT_TRUE(std::isnan(gradient[0]));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CLoss,
                         testing::Values(SOFTWARP_FLOAT32, SOFTWARP_FLOAT64, SOFTWARP_FLOAT16,
                                         SOFTWARP_BFLOAT16),
                         [](const auto& tested) { return type_name(tested.param); });

TEST(CTensors, AreRefusedWhereTheyOverlap) {
  float memory[8] = {};
  EXPECT_EQ(softwarp_softmax_axis(SOFTWARP_CPU, SOFTWARP_FLOAT32, 1, 2, 2, memory, memory + 1, nullptr),
            SOFTWARP_INVALID_ARGUMENT);
  EXPECT_STREQ(
      softwarp_last_error(),
      "softwarp_softmax_axis: expected a result in the input's memory, or in memory that no input shares");
  EXPECT_EQ(softwarp_softmax_axis(SOFTWARP_CPU, SOFTWARP_FLOAT32, -1, 2, 2, memory, memory, nullptr),
            SOFTWARP_INVALID_ARGUMENT);
  EXPECT_EQ(softwarp_softmax_axis(SOFTWARP_CPU, SOFTWARP_FLOAT32, 0, 2, 2, nullptr, nullptr, nullptr),
            SOFTWARP_SUCCESS);
  const std::int64_t target = 0;
  EXPECT_EQ(softwarp_cross_entropy(SOFTWARP_CPU, SOFTWARP_FLOAT32, 1, 4, memory, 4, &target, nullptr,
                                   memory + 3, nullptr, 4, nullptr),
            SOFTWARP_INVALID_ARGUMENT);
  EXPECT_STREQ(softwarp_last_error(), "softwarp_cross_entropy: expected loss in memory that no input shares");
}

}  // namespace
}  // namespace softwarp
