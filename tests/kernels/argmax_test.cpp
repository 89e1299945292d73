// The largest column of each row, and softmax's Jacobian, against their definitions.

#include <gtest/gtest.h>
#include <softwarp/argmax.h>
#include <softwarp/softmax.h>

#include "kernels/training_ops.h"
#include "tests/kernels/placed.h"
#include "tests/kernels/row_reference.h"

namespace softwarp {
namespace {

template <class T>
class Argmax : public KernelTest {};
using Types = testing::Types<double, float, float16, bfloat16>;
TYPED_TEST_SUITE(Argmax, Types);

// The first of the largest, the first NaN before all.
template <class T>
std::int32_t best_of(const std::vector<T>& x, std::int64_t first, std::int64_t cols) {
  std::int64_t best = 0;
  for (std::int64_t j = 0; j < cols; ++j) {
    const double v = to_double(x[static_cast<std::size_t>(first + j)]);
    if (std::isnan(v)) return static_cast<std::int32_t>(j);
    if (v > to_double(x[static_cast<std::size_t>(first + best)])) best = j;
  }
  return static_cast<std::int32_t>(best);
}

TYPED_TEST(Argmax, FindsTheFirstOfTheLargest) {
  using T = TypeParam;
  for (const NamedLimits& device : devices_to_plan_for()) {
    const Assume assume(device.limits);
    for (const std::int64_t cols : {1, 2, 10, 33, 64, 100, 257, 1000, 1025, 4097, 9000, 40000, 140000}) {
      const std::int64_t rows = cols > 9000 ? 3 : 20;
      // Few distinct values, so that there are ties; special rows.
      auto x = random_numbers<T>(rows * cols, static_cast<unsigned>(cols), 1);
      for (T& v : x) v = to_type<T>(std::round(to_double(v)));
      const auto at = [&](std::int64_t r, std::int64_t j) { return x.begin() + r * cols + j; };
      *at(0, cols - 1) = to_type<T>(HUGE_VAL);
      *at(1, cols / 2) = to_type<T>(NAN);
      if (cols > 2) *at(1, 0) = to_type<T>(HUGE_VAL), *at(1, cols - 1) = to_type<T>(NAN);
      std::fill_n(at(2, 0), cols, to_type<T>(-HUGE_VAL));
      std::vector<std::int32_t> expected, targets;
      unsigned long long expected_hits = 5;  // from before
      for (std::int64_t r = 0; r < rows; ++r) {
        expected.push_back(best_of(x, r * cols, cols));
        targets.push_back(r % 2 == 0 ? expected.back() : -1);
        expected_hits += r % 2 == 0;
      }
      for (const Place& place : {Place{rows, 0, 0}, Place{rows, 1, 3}}) {
        if (cols > 9000 && place.gap != cols / 1000 % 2) continue;
        SCOPED_TRACE(testing::Message() << device.name << ", " << cols << " columns, gap " << place.gap);
        set_schedule(static_cast<int>(cols));
        const Placed<T> placed(place, cols, x);
        const DeviceArray<std::int32_t> best(rows), wanted(targets);
        const DeviceArray<unsigned long long> correct(std::vector<unsigned long long>{5});
        argmax(placed.const_view(), best.data(), wanted.data(), correct.data(), nullptr);
        EXPECT_EQ(best.download(), expected);
        EXPECT_EQ(correct.value(), expected_hits);
        argmax(placed.const_view(), best.data(), nullptr, nullptr, nullptr);
        EXPECT_EQ(best.download(), expected);
      }
    }
  }
}

TYPED_TEST(Argmax, JacobianMatchesTheDefinition) {
  using T = TypeParam;
  using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
  for (const std::int64_t cols : {1, 2, 3, 8, 10, 16, 33, 63, 64, 65, 100, 128, 130}) {
    for (const Place& place : {Place{5, 0, 0}, Place{3, 2, 1}}) {
      SCOPED_TRACE(testing::Message() << cols << " columns, gap " << place.gap);
      set_schedule(static_cast<int>(cols));
      const auto x = random_numbers<T>(place.rows * cols, 9, 2);
      std::vector<T> y;
      for (const double v : rows_reference(x, place.rows, cols).softmax) y.push_back(to_type<T>(v));
      const Placed<T> from(place, cols, y), jacobian({place.rows * cols, place.gap, place.offset}, cols);
      softmax_jacobian<T>(from.view(), jacobian.view(), nullptr);
      const auto values = jacobian.values();
      Worst worst;
      for (std::int64_t i = 0; i < place.rows * cols; ++i)
        for (std::int64_t j = 0; j < cols; ++j) {
          const double yi = to_double(y[static_cast<std::size_t>(i)]);
          const double yj = to_double(y[static_cast<std::size_t>(i / cols * cols + j)]);
          worst.see(values[static_cast<std::size_t>(i * cols + j)], yi * ((i % cols == j) - yj),
                    2 * kEpsilon<A> * yi + kTiny<A>);
        }
      ASSERT_LE(worst.share(), 1) << worst.text();
    }
  }
}

}  // namespace
}  // namespace softwarp
