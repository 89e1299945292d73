// Few and long rows, split over blocks.

#include <gtest/gtest.h>
#include <softwarp/softmax.h>

#include "kernels/row_reduce/plan.h"
#include "tests/kernels/placed.h"
#include "tests/kernels/row_reference.h"

namespace softwarp {
namespace {

template <class T>
class SplitRows : public KernelTest {};
using Types = testing::Types<double, float, float16, bfloat16>;
TYPED_TEST_SUITE(SplitRows, Types);

// Without clusters 128 KiB are worth splitting.
constexpr DeviceLimits kLimits{.multiprocessors = 24, .shared_bytes = 99 << 10, .clusters = false};

TYPED_TEST(SplitRows, MatchTheDefinition) {
  using T = TypeParam;
  using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const Assume assume(kLimits);
  const DeviceArray<char> memory(static_cast<std::int64_t>(kSplitRowWorkspaceBytes));
  const Workspace workspace{memory.data(), memory.bytes()};
  const std::int64_t cols = 140001 * 4 / static_cast<std::int64_t>(sizeof(T));
  ASSERT_GT(plan_split_rows({.cols = cols, .element_bytes = sizeof(T)}, 2, kLimits).slices, 1);
  const auto x = random_numbers<T>(2 * cols, 1, 4), g = random_numbers<T>(2 * cols, 2, 1);
  const RowsReference reference = rows_reference(x, 2, cols);
  int schedule = 0;
  for (const Place& place : {Place{2, 0, 0}, Place{1, 0, 3}, Place{2, 2, 1}}) {
    SCOPED_TRACE(testing::Message() << place.rows << " rows, gap " << place.gap << ", offset "
                                    << place.offset);
    set_schedule(++schedule);
    const Placed<T> in(place, cols, x), gradient(place, cols, g), y(place, cols), log_y(place, cols),
        dx(place, cols);
    softmax<T>(in.view(), y.view(), workspace, nullptr);
    log_softmax<T>(in.view(), log_y.view(), workspace, nullptr);
    softmax_backward<T>(y.view(), gradient.view(), dx.view(), workspace, nullptr);
    const auto y_values = y.values(), log_values = log_y.values(), dx_values = dx.values();
    Worst worst;
    for (std::int64_t r = 0; r < place.rows; ++r) {
      Truth<T> sum = 0;
      double sizes = 0;
      for (std::int64_t j = 0; j < cols; ++j) {
        const auto i = static_cast<std::size_t>(r * cols + j);
        sum += Truth<T>(to_double(y_values[i])) * to_double(g[i]);
        sizes += std::abs(to_double(y_values[i]) * to_double(g[i]));
      }
      for (std::int64_t j = 0; j < cols; ++j) {
        const auto i = static_cast<std::size_t>(r * cols + j);
        worst.see(y_values[i], reference.softmax[i],
                  softmax_tolerance<A>(reference.softmax[i], reference.shifted[i], cols));
        worst.see(log_values[i], reference.log_softmax[i],
                  log_softmax_tolerance<A>(reference.log_softmax[i], cols));
        const double yi = to_double(y_values[i]), gi = to_double(g[i]);
        const auto expected = static_cast<double>(yi * (gi - sum));
        const double unit =
            kSmall<T> ? std::abs(expected) * (std::is_same_v<T, float16> ? 0x1p-10 : 0x1p-7) : 0;
        worst.see(dx_values[i], expected, backward_tolerance<A>(yi, gi, sizes, cols) + unit);
      }
    }
    ASSERT_LE(worst.share(), 1) << worst.text();
    log_softmax_backward<T>(log_y.view(), gradient.view(), gradient.view(), workspace, nullptr);
    const Placed<T> again(place, cols, g), unsplit(place, cols);
    log_softmax_backward<T>(log_y.view(), again.view(), unsplit.view(), nullptr);
    const auto split_values = gradient.values(), unsplit_values = unsplit.values();
    for (std::size_t i = 0; i < split_values.size(); ++i)
      ASSERT_NEAR(to_double(split_values[i]), to_double(unsplit_values[i]),
                  0.02 * (1 + std::abs(to_double(g[i]))));
    softmax<T>(in.view(), in.view(), workspace, nullptr);
    EXPECT_TRUE(same_bits(in.values(), y_values)) << "in place";
  }
}

TYPED_TEST(SplitRows, KeepTheirSpecialValues) {
  using T = TypeParam;
  const Assume assume(kLimits);
  const DeviceArray<char> memory(static_cast<std::int64_t>(kSplitRowWorkspaceBytes));
  const std::int64_t cols = 140001 * 4 / static_cast<std::int64_t>(sizeof(T));
  std::vector<T> x(static_cast<std::size_t>(2 * cols), to_type<T>(-HUGE_VAL));
  x[static_cast<std::size_t>(cols - 1)] = to_type<T>(2);
  x[static_cast<std::size_t>(cols + cols / 3)] = to_type<T>(NAN);
  const Placed<T> in({2, 0, 0}, cols, x);
  softmax<T>(in.view(), in.view(), {memory.data(), memory.bytes()}, nullptr);
  const auto y = in.values();
  for (std::int64_t j = 0; j < cols; ++j) {
    ASSERT_EQ(to_double(y[static_cast<std::size_t>(j)]), j == cols - 1 ? 1 : 0);
    ASSERT_TRUE(std::isnan(to_double(y[static_cast<std::size_t>(cols + j)])));
  }
}

}  // namespace
}  // namespace softwarp
