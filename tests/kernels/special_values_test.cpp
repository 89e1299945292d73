// NaN, infinities, huge numbers and single columns: the table of what each case returns, for rows of every
// form, planned for every kind of device.

#include <gtest/gtest.h>
#include <softwarp/softmax.h>

#include <limits>

#include "tests/kernels/placed.h"
#include "tests/kernels/row_reference.h"

namespace softwarp {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

// Flat, lanes, a warp, blocks, clusters (or streamed where there are none), streamed.
const std::int64_t kCols[] = {1, 2, 7, 10, 33, 64, 257, 1000, 2049, 9000, 33000, 140000};

// The columns of special values: the ends, both sides of the middle, and many columns between.
std::vector<std::int64_t> positions(std::int64_t cols) {
  std::vector<std::int64_t> found;
  const std::int64_t step = cols > 9000 ? cols / 3 + 1 : cols > 257 ? cols / 16 + 1 : cols > 64 ? 4 : 1;
  for (std::int64_t j = 0; j < cols; j += step) found.push_back(j);
  for (const std::int64_t j : {cols / 2, cols - 2, cols - 1})
    if (j > found.back()) found.push_back(j);
  return found;
}

template <class T>
std::vector<T> rows_of(std::int64_t rows, std::int64_t cols, double value) {
  return std::vector<T>(static_cast<std::size_t>(rows * cols), to_type<T>(value));
}

template <class T>
struct Results {
  std::vector<T> y, log_y, dx, log_dx;
  double at(const std::vector<T>& values, std::int64_t i) const {
    return to_double(values[static_cast<std::size_t>(i)]);
  }
};

// All four ops, the backward ones of what the forward ones gave and of ones and twos in turn.
template <class T>
Results<T> run_all(const std::vector<T>& x, std::int64_t rows, std::int64_t cols, std::int64_t offset) {
  const Place place{rows, 0, offset};
  std::vector<T> g = rows_of<T>(rows, cols, 1);
  for (std::size_t i = 0; i < g.size(); i += 2) g[i] = to_type<T>(2);
  const Placed<T> in(place, cols, x), gradient(place, cols, g), y(place, cols), log_y(place, cols),
      dx(place, cols), log_dx(place, cols);
  softmax<T>(in.view(), y.view(), nullptr);
  log_softmax<T>(in.view(), log_y.view(), nullptr);
  softmax_backward<T>(y.view(), gradient.view(), dx.view(), nullptr);
  log_softmax_backward<T>(log_y.view(), gradient.view(), log_dx.view(), nullptr);
  return {y.values(), log_y.values(), dx.values(), log_dx.values()};
}

template <class T>
class SpecialValues : public KernelTest {
 protected:
  // check(cols, offset) for each form and alignment on each device.
  template <class Check>
  void on_all_forms(Check check) {
    const auto devices = devices_to_plan_for();
    for (const NamedLimits& device : devices) {
      const Assume assume(device.limits);
      for (const std::int64_t cols : kCols)
        for (const std::int64_t offset : {0, 1}) {
          if (cols <= 9000 && device.name != devices[0].name) continue;        // planned alike for all
          if (cols > 9000 && offset == 1 && device.limits.clusters) continue;  // clusters take a while
          SCOPED_TRACE(testing::Message() << device.name << ", " << cols << " columns, offset " << offset);
          set_schedule(static_cast<int>(cols + offset));
          check(cols, offset);
          if (testing::Test::HasFailure()) return;
        }
    }
  }
};
using Types = testing::Types<double, float, float16, bfloat16>;
TYPED_TEST_SUITE(SpecialValues, Types);

// 16-bit types have no digits left at 1e4.
template <class T>
class LargeValues : public SpecialValues<T> {};
using WideTypes = testing::Types<double, float>;
TYPED_TEST_SUITE(LargeValues, WideTypes);

TYPED_TEST(SpecialValues, NanAndInfinityMakeTheirRowNan) {
  using T = TypeParam;
  for (const double special : {kNotANumber, kInf})
    this->on_all_forms([special](std::int64_t cols, std::int64_t offset) {
      const auto layouts = positions(cols);
      const auto rows = static_cast<std::int64_t>(layouts.size()) + 1;
      auto x = rows_of<T>(rows, cols, 1);  // the last row has nothing special
      for (std::size_t r = 0; r < layouts.size(); ++r)
        x[r * static_cast<std::size_t>(cols) + static_cast<std::size_t>(layouts[r])] = to_type<T>(special);
      const Results<T> out = run_all(x, rows, cols, offset);
      for (std::int64_t i = 0; i < rows * cols; ++i) {
        const bool nan = i < (rows - 1) * cols;
        ASSERT_EQ(std::isnan(out.at(out.y, i)), nan) << "element " << i;
        ASSERT_EQ(std::isnan(out.at(out.log_y, i)), nan) << "element " << i;
      }
    });
}

TYPED_TEST(SpecialValues, OneFiniteElementTakesAllFromMinusInfinities) {
  using T = TypeParam;
  this->on_all_forms([](std::int64_t cols, std::int64_t offset) {
    const auto layouts = positions(cols);
    const auto rows = static_cast<std::int64_t>(layouts.size());
    auto x = rows_of<T>(rows, cols, -kInf);
    for (std::int64_t r = 0; r < rows; ++r)
      x[static_cast<std::size_t>(r * cols + layouts[static_cast<std::size_t>(r)])] = to_type<T>(-3);
    const Results<T> out = run_all(x, rows, cols, offset);
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      const bool finite = i % cols == layouts[static_cast<std::size_t>(i / cols)];
      ASSERT_EQ(out.at(out.y, i), finite ? 1 : 0) << "element " << i;
      ASSERT_EQ(out.at(out.log_y, i), finite ? 0 : -kInf) << "element " << i;
      ASSERT_EQ(out.at(out.dx, i), 0) << "element " << i;
      ASSERT_FALSE(std::isnan(out.at(out.log_dx, i))) << "element " << i;  // a half may overflow
    }
  });
}

TYPED_TEST(SpecialValues, MinusInfinityBecomesExactlyZero) {
  using T = TypeParam;
  this->on_all_forms([](std::int64_t cols, std::int64_t offset) {
    auto x = rows_of<T>(2, cols, 0.5);
    for (std::int64_t j = 1; j < cols; j += 2) x[static_cast<std::size_t>(j)] = to_type<T>(-kInf);
    const Results<T> out = run_all(x, 2, cols, offset);
    for (std::int64_t j = 1; j < cols; j += 2) {
      ASSERT_EQ(out.at(out.y, j), 0);
      ASSERT_EQ(out.at(out.log_y, j), -kInf);
      ASSERT_EQ(out.at(out.dx, j), 0);
      ASSERT_EQ(out.at(out.log_dx, j), 1) << "the gradient that arrived";
    }
    double sum = 0;
    for (std::int64_t j = 0; j < cols; ++j) sum += out.at(out.y, j);
    ASSERT_NEAR(sum, 1, 4e-3);
  });
}

TYPED_TEST(SpecialValues, NothingButMinusInfinityIsNan) {
  using T = TypeParam;
  this->on_all_forms([](std::int64_t cols, std::int64_t offset) {
    auto x = rows_of<T>(2, cols, 0);
    std::fill_n(x.begin(), cols, to_type<T>(-kInf));
    const Results<T> out = run_all(x, 2, cols, offset);
    for (std::int64_t j = 0; j < cols; ++j) {
      ASSERT_TRUE(std::isnan(out.at(out.y, j)) && std::isnan(out.at(out.log_y, j)));
      ASSERT_FALSE(std::isnan(out.at(out.y, cols + j)) || std::isnan(out.at(out.log_y, cols + j)))
          << "another row";
    }
  });
}

TYPED_TEST(SpecialValues, HugeNumbersDoNotOverflow) {
  using T = TypeParam;
  const double huge = std::is_same_v<T, float16> ? 6e4 : 1e38;
  this->on_all_forms([huge](std::int64_t cols, std::int64_t offset) {
    auto x = rows_of<T>(3, cols, -huge);
    x[static_cast<std::size_t>(cols / 2)] = to_type<T>(huge);  // one wins
    for (std::int64_t j = 0; j < cols; ++j)
      x[static_cast<std::size_t>(cols + j)] = to_type<T>(huge);  // all alike
    const Results<T> out = run_all(x, 3, cols, offset);
    for (std::int64_t j = 0; j < cols; ++j) {
      ASSERT_EQ(out.at(out.y, j), j == cols / 2 ? 1 : 0);
      for (const std::int64_t row : {1, 2}) {
        ASSERT_NEAR(out.at(out.y, row * cols + j), 1.0 / static_cast<double>(cols),
                    4e-3 / static_cast<double>(cols));
        ASSERT_NEAR(out.at(out.log_y, row * cols + j), -std::log(static_cast<double>(cols)), 4e-2);
      }
    }
  });
}

TYPED_TEST(LargeValues, ChangeNothingByTheirOffset) {
  using T = TypeParam;
  this->on_all_forms([](std::int64_t cols, std::int64_t offset) {
    const auto x = random_numbers<T>(2 * cols, 5, 4, 1e4);
    const RowsReference reference = rows_reference(x, 2, cols);
    const Results<T> out = run_all(x, 2, cols, offset);
    Worst worst;
    for (std::size_t i = 0; i < x.size(); ++i) {
      worst.see(out.y[i], reference.softmax[i],
                softmax_tolerance<T>(reference.softmax[i], reference.shifted[i], cols));
      worst.see(out.log_y[i], reference.log_softmax[i],
                log_softmax_tolerance<T>(reference.log_softmax[i], cols));
    }
    ASSERT_LE(worst.share(), 1) << worst.text();
  });
}

TYPED_TEST(SpecialValues, NoRowsAreNoLaunch) {
  using T = TypeParam;
  const MatrixView<T> none{nullptr, 0, 10, 10};
  softmax<T>(none, none, nullptr);
  log_softmax<T>(none, none, nullptr);
  softmax_backward<T>(none, none, none, nullptr);
  softmax_jacobian<T>(none, MatrixView<T>{nullptr, 0, 10, 10}, nullptr);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TYPED_TEST(SpecialValues, OtherShapesAreRefused) {
  using T = TypeParam;
  const DeviceArray<T> memory(64);
  const auto view = [&](std::int64_t rows, std::int64_t cols, std::int64_t stride) {
    return MatrixView<T>{memory.data(), rows, cols, stride};
  };
  EXPECT_THROW(softmax<T>(view(2, 3, 3), view(3, 2, 2), nullptr), std::invalid_argument);
  EXPECT_THROW(softmax<T>(view(2, 0, 0), view(2, 0, 0), nullptr), std::invalid_argument);
  EXPECT_THROW(log_softmax<T>(view(2, 3, 2), view(2, 3, 3), nullptr), std::invalid_argument);
  EXPECT_THROW(softmax_backward<T>(view(2, 3, 3), view(2, 4, 4), view(2, 3, 3), nullptr),
               std::invalid_argument);
  EXPECT_THROW(softmax_jacobian<T>(view(2, 3, 3), view(2, 3, 3), nullptr), std::invalid_argument);
}

}  // namespace
}  // namespace softwarp
