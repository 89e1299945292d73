// softmax and its relatives over the middle dimension of a tensor, against the definitions in double.

#include <softwarp/softmax.h>
#include <softwarp/softmax_axis.h>

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "kernels/axis.h"
#include "tests/kernels/device.h"
#include "tests/kernels/row_reference.h"

namespace softwarp {
namespace {

struct Shape {
  std::int64_t outer, cols, inner;
};

// Inner dimensions of less than, exactly and more than one access, aligned and not; columns beside the
// boundaries of what a thread and a block hold (4 or 8 accesses a thread, halved for two inputs), and too
// many to hold.
std::vector<Shape> shapes() {
  std::vector<Shape> all = {{0, 3, 4}, {2, 3, 0}, {100, 10, 4}, {1, 7, 1000}};
  for (const std::int64_t inner : {1, 2, 3, 4, 8, 16, 33, 64})
    for (const std::int64_t cols : {1, 2, 3, 4, 5, 8, 9, 10, 31, 64, 65, 100, 257})
      all.push_back({2, cols, inner});
  for (const std::int64_t inner : {1, 3, 4, 8, 40})
    for (const std::int64_t cols : {511, 512, 513, 1024, 1025, 2049}) all.push_back({1, cols, inner});
  all.push_back({1, 5000, 8});
  all.push_back({1, 5000, 3});
  return all;
}

// The tensor's columns as the rows of a matrix, and back.
template <class T>
std::vector<T> columns_of(const std::vector<T>& tensor, const Shape& s) {
  std::vector<T> rows;
  for (std::int64_t o = 0; o < s.outer; ++o)
    for (std::int64_t i = 0; i < s.inner; ++i)
      for (std::int64_t j = 0; j < s.cols; ++j)
        rows.push_back(tensor[static_cast<std::size_t>((o * s.cols + j) * s.inner + i)]);
  return rows;
}

// Copies values to the device, so many elements off alignment, runs, and returns the result.
template <class T, class Run>
std::vector<T> run_on(const Shape& s, std::int64_t offset, const std::vector<std::vector<T>>& inputs,
                      Run run) {
  const auto size = s.outer * s.cols * s.inner;
  std::vector<std::unique_ptr<DeviceArray<T>>> arrays;
  std::vector<AxisView<T>> views;
  for (std::size_t n = 0; n <= inputs.size(); ++n) {
    std::vector<T> all(static_cast<std::size_t>(offset + size + 8), to_type<T>(99));
    if (n < inputs.size()) std::copy(inputs[n].begin(), inputs[n].end(), all.begin() + offset);
    arrays.push_back(std::make_unique<DeviceArray<T>>(all));
    views.push_back({arrays.back()->data() + offset, s.outer, s.cols, s.inner});
  }
  run(views);
  const std::vector<T> all = arrays.back()->download();
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(all.size()); ++i)
    EXPECT_TRUE((i >= offset && i < offset + size) || to_double(all[static_cast<std::size_t>(i)]) == 99)
        << "outside";
  return std::vector<T>(all.begin() + offset, all.begin() + offset + size);
}

template <class T>
class SoftmaxAxis : public KernelTest {};
using Types = testing::Types<double, float, float16, bfloat16>;
TYPED_TEST_SUITE(SoftmaxAxis, Types);

TYPED_TEST(SoftmaxAxis, ForwardMatchesTheDefinition) {
  using T = TypeParam;
  using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
  Worst worst;
  int schedule = 0;
  for (const Shape& s : shapes())
    for (const std::int64_t offset : {0, 1})
      for (const bool log : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << s.outer << " x " << s.cols << " x " << s.inner << ", offset " << offset);
        set_schedule(++schedule);
        const auto x = random_numbers<T>(s.outer * s.cols * s.inner, 6, 3);
        const auto y = run_on<T>(s, offset, {x}, [&](const auto& v) {
          log ? log_softmax<T>({v[0].data, s.outer, s.cols, s.inner}, v[1], nullptr)
              : softmax<T>({v[0].data, s.outer, s.cols, s.inner}, v[1], nullptr);
        });
        const auto reference = rows_reference(columns_of(x, s), s.outer * s.inner, s.cols);
        const auto actual = columns_of(y, s);
        for (std::size_t i = 0; i < actual.size(); ++i) {
          if (log)
            worst.see(actual[i], reference.log_softmax[i],
                      log_softmax_tolerance<A>(reference.log_softmax[i], s.cols));
          else
            worst.see(actual[i], reference.softmax[i],
                      softmax_tolerance<A>(reference.softmax[i], reference.shifted[i], s.cols));
        }
        ASSERT_LE(worst.share(), 1) << worst.text();
        const auto in_place = run_on<T>(s, offset, {}, [&](const auto& v) {
          if (!x.empty()) cudaMemcpy(v[0].data, x.data(), x.size() * sizeof(T), cudaMemcpyHostToDevice);
          log ? log_softmax<T>({v[0].data, s.outer, s.cols, s.inner}, v[0], nullptr)
              : softmax<T>({v[0].data, s.outer, s.cols, s.inner}, v[0], nullptr);
        });
        ASSERT_TRUE(same_bits(in_place, y)) << "in place";
      }
  std::printf("worst error: %.2f of the tolerance\n", worst.share());
}

TYPED_TEST(SoftmaxAxis, BackwardMatchesTheDefinition) {
  using T = TypeParam;
  using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
  Worst worst;
  int schedule = 0;
  for (const Shape& s : shapes())
    for (const bool log : {false, true}) {
      const std::int64_t offset = s.cols % 2;
      SCOPED_TRACE(testing::Message()
                   << s.outer << " x " << s.cols << " x " << s.inner << ", offset " << offset);
      set_schedule(++schedule);
      // Any numbers will do for y; the logarithm's are negative.
      auto y = random_numbers<T>(s.outer * s.cols * s.inner, 7, 1);
      if (log)
        for (T& v : y) v = to_type<T>(-std::abs(to_double(v)));
      const auto g = random_numbers<T>(s.outer * s.cols * s.inner, 8, 1);
      const auto dx = run_on<T>(s, offset, {y, g}, [&](const auto& v) {
        const AxisView<const T> y_view{v[0].data, s.outer, s.cols, s.inner};
        const AxisView<const T> g_view{v[1].data, s.outer, s.cols, s.inner};
        log ? log_softmax_backward<T>(y_view, g_view, v[2], nullptr)
            : softmax_backward<T>(y_view, g_view, v[2], nullptr);
      });
      const auto ys = columns_of(y, s), gs = columns_of(g, s), actual = columns_of(dx, s);
      for (std::int64_t r = 0; r < s.outer * s.inner; ++r) {
        Truth<T> sum = 0;
        double sizes = 0;
        const auto at = [&](const std::vector<T>& v, std::int64_t j) {
          return to_double(v[static_cast<std::size_t>(r * s.cols + j)]);
        };
        for (std::int64_t j = 0; j < s.cols; ++j) {
          const Truth<T> term = log ? at(gs, j) : Truth<T>(at(gs, j)) * at(ys, j);
          sum += term;
          sizes += std::abs(static_cast<double>(term));
        }
        for (std::int64_t j = 0; j < s.cols; ++j) {
          const double v = at(ys, j), gradient = at(gs, j);
          const auto expected =
              static_cast<double>(log ? gradient - std::exp(Truth<T>(v)) * sum : v * (gradient - sum));
          const double tolerance = log ? log_backward_tolerance<A>(v, gradient, sizes, s.cols)
                                       : backward_tolerance<A>(v, gradient, sizes, s.cols);
          const double unit =
              kSmall<T> ? std::abs(expected) * (std::is_same_v<T, float16> ? 0x1p-10 : 0x1p-7) : 0;
          worst.see(actual[static_cast<std::size_t>(r * s.cols + j)], expected, tolerance + unit);
        }
      }
      ASSERT_LE(worst.share(), 1) << worst.text();
    }
  std::printf("worst error: %.2f of the tolerance\n", worst.share());
}

TYPED_TEST(SoftmaxAxis, SpecialValuesStayInTheirColumn) {
  using T = TypeParam;
  for (const Shape& s : {Shape{2, 6, 8}, {2, 300, 8}, {1, 3000, 3}}) {
    for (const double special : {HUGE_VAL, std::numeric_limits<double>::quiet_NaN()}) {
      std::vector<T> x(static_cast<std::size_t>(s.outer * s.cols * s.inner), to_type<T>(1));
      x[static_cast<std::size_t>(s.inner * (s.cols / 2) + 2)] = to_type<T>(special);  // in column 2
      for (std::int64_t j = 0; j < s.cols; ++j)
        x[static_cast<std::size_t>(s.inner * j + 1)] = to_type<T>(-HUGE_VAL);
      const auto y = columns_of(
          run_on<T>(s, 0, {x},
                    [&](const auto& v) { softmax<T>({v[0].data, s.outer, s.cols, s.inner}, v[1], nullptr); }),
          s);
      for (std::int64_t i = 0; i < s.outer * s.cols * s.inner; ++i)
        ASSERT_EQ(std::isnan(to_double(y[static_cast<std::size_t>(i)])), i / s.cols == 1 || i / s.cols == 2)
            << i;
    }
  }
}

TEST(AxisPlan, HoldsWhatFitsAndStreamsTheRest) {
  const auto plan = [](std::int64_t cols, int bytes, int inputs, bool wide) {
    return plan_axis(cols, bytes, inputs, wide);
  };
  EXPECT_EQ(plan(8, 4, 1, true), (AxisPlan{.width = 4, .lanes = 128, .threads = 128, .in_registers = true}));
  EXPECT_EQ(plan(9, 4, 1, true), (AxisPlan{.width = 4, .lanes = 64, .threads = 128, .in_registers = true}));
  EXPECT_EQ(plan(128, 4, 1, true), (AxisPlan{.width = 4, .lanes = 8, .threads = 128, .in_registers = true}));
  EXPECT_EQ(plan(129, 4, 1, true), (AxisPlan{.width = 4, .lanes = 8, .threads = 256, .in_registers = true}));
  EXPECT_EQ(plan(512, 4, 1, true), (AxisPlan{.width = 4, .lanes = 8, .threads = 512, .in_registers = true}));
  EXPECT_EQ(plan(513, 4, 1, true), (AxisPlan{.width = 4, .lanes = 4, .threads = 512, .in_registers = true}));
  EXPECT_EQ(plan(2048, 4, 1, true), (AxisPlan{.width = 4, .lanes = 2, .threads = 512, .in_registers = true}));
  EXPECT_EQ(plan(2049, 4, 1, true),
            (AxisPlan{.width = 4, .lanes = 8, .threads = 512, .in_registers = false}));
  EXPECT_EQ(plan(1024, 4, 2, true), (AxisPlan{.width = 4, .lanes = 2, .threads = 512, .in_registers = true}));
  EXPECT_EQ(plan(1025, 4, 2, true).in_registers, false);
  EXPECT_EQ(plan(1024, 2, 1, true), (AxisPlan{.width = 8, .lanes = 2, .threads = 512, .in_registers = true}));
  EXPECT_EQ(plan(512, 4, 1, false), (AxisPlan{.width = 1, .lanes = 8, .threads = 512, .in_registers = true}));
  EXPECT_EQ(plan(513, 4, 1, false),
            (AxisPlan{.width = 1, .lanes = 8, .threads = 512, .in_registers = false}));
}

}  // namespace
}  // namespace softwarp
