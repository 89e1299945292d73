// softmax, log_softmax and their backwards on every backend, against the definitions in double.

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/backends.h"
#include "tests/softmax/placed.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using reference::Row;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Borders of vectors (4 to 16 floats, up to 8 of them a short row), of the sums' blocks and parts, and what
// networks use: 10 classes, 50257 and 128256 words.
const std::vector<std::int64_t> kCols = {1,    2,    3,    5,     7,     10,    15,    16,    17,    31,
                                         32,   33,   63,   64,    65,    100,   127,   128,   129,   192,
                                         255,  256,  257,  760,   1000,  1023,  1024,  1025,  1128,  2047,
                                         2049, 4097, 8192, 12289, 32769, 50257, 65536, 65537, 131080};

// The relative error of exp(x - m) / sum: x - m is rounded before exp. Results below 2^-126 may be 0.
void expect_softmax(const std::vector<float>& y, const std::vector<float>& x, const Shape& s) {
  for (std::int64_t r = 0; r < s.rows; ++r) {
    const Row row = reference::row_of(x, r * s.cols, s.cols), expected = reference::softmax(row);
    const double max = *std::max_element(row.begin(), row.end());
    for (std::int64_t c = 0; c < s.cols; ++c) {
      const auto i = static_cast<std::size_t>(c);
      const double bound = expected[i] * 0x1p-23 * (4 + 2 * std::abs(row[i] - max)) + 0x1p-126;
      ASSERT_NEAR(y[static_cast<std::size_t>(r * s.cols) + i], expected[i], bound)
          << "row " << r << " column " << c;
    }
  }
}

// Rounding of x - m, of the logarithm and of their difference.
void expect_log_softmax(const std::vector<float>& y, const std::vector<float>& x, const Shape& s) {
  for (std::int64_t r = 0; r < s.rows; ++r) {
    const Row row = reference::row_of(x, r * s.cols, s.cols), expected = reference::log_softmax(row);
    for (std::int64_t c = 0; c < s.cols; ++c) {
      const auto i = static_cast<std::size_t>(c);
      const double bound = 0x1p-23 * (4 + 2 * std::abs(expected[i]));
      ASSERT_NEAR(y[static_cast<std::size_t>(r * s.cols) + i], expected[i], bound)
          << "row " << r << " column " << c;
    }
  }
}

class SoftmaxCols : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, SoftmaxCols, testing::ValuesIn(kCols));

std::vector<Shape> shapes_of(std::int64_t cols) {
  std::vector<Shape> shapes = {{3, cols, cols, 0}, {2, cols, cols + 3, 1}};
  if (cols <= 300)
    shapes.insert(shapes.end(), {{0, cols, cols, 0}, {289, cols, cols, 0}, {17, cols, cols + 1, 7}});
  return shapes;
}

TEST_P(SoftmaxCols, ForwardMatchesTheDefinitionOnEveryBackend) {
  for (const auto& backend : make_backends())
    for (const Shape& s : shapes_of(GetParam()))
      for (const float offset : {0.0f, 1e4f}) {
        SCOPED_TRACE(backend->name());
        const auto x = reference::random_floats(static_cast<std::size_t>(s.rows * s.cols), 1, 4, offset);
        const Placed from(*backend, s, x), to(*backend, s, x), log_to(*backend, s, x);
        backend->softmax(from.view(), to.view());
        backend->log_softmax(from.view(), log_to.view());
        expect_softmax(to.values(), x, s);
        expect_log_softmax(log_to.values(), x, s);
        // In place.
        const Placed log_in_place(*backend, s, x);
        backend->softmax(from.view(), from.view());
        backend->log_softmax(log_in_place.view(), log_in_place.view());
        EXPECT_EQ(from.values(), to.values());
        EXPECT_EQ(log_in_place.values(), log_to.values());
      }
}

TEST_P(SoftmaxCols, BackwardMatchesTheDefinitionOnEveryBackend) {
  for (const auto& backend : make_backends())
    for (const Shape& s : shapes_of(GetParam())) {
      SCOPED_TRACE(backend->name());
      const auto n = static_cast<std::size_t>(s.rows * s.cols);
      const auto x = reference::random_floats(n, 1, 2), g = reference::random_floats(n, 2);
      const Placed y(*backend, s, x), log_y(*backend, s, x), dy(*backend, s, g), dx(*backend, s, g),
          log_dx(*backend, s, g);
      backend->softmax(y.view(), y.view());
      backend->log_softmax(log_y.view(), log_y.view());
      backend->softmax_backward(y.view(), dy.view(), dx.view());
      backend->log_softmax_backward(log_y.view(), dy.view(), log_dx.view());
      const auto values = dx.values(), log_values = log_dx.values();
      for (std::int64_t r = 0; r < s.rows; ++r) {
        const Row p = reference::softmax(reference::row_of(x, r * s.cols, s.cols));
        double dot = 0, sum = 0, size = 0;
        for (std::size_t c = 0; c < p.size(); ++c) {
          const double each = g[static_cast<std::size_t>(r * s.cols) + c];
          dot += each * p[c], sum += each, size += std::abs(each);
        }
        for (std::size_t c = 0; c < p.size(); ++c) {
          const std::size_t i = static_cast<std::size_t>(r * s.cols) + c;
          ASSERT_NEAR(values[i], p[c] * (g[i] - dot), p[c] * 2e-5 + 1e-30) << "row " << r << " column " << c;
          ASSERT_NEAR(log_values[i], g[i] - p[c] * sum, 2e-6 * (std::abs(g[i]) + p[c] * size))
              << "row " << r << " column " << c;
        }
      }
      backend->softmax_backward(y.view(), dy.view(), dy.view());
      EXPECT_EQ(dy.values(), values);
    }
}

template <class T = float>
std::vector<T> forward(Backend& backend, const std::vector<T>& x, bool log = false) {
  const auto memory = upload(backend, x);
  const auto row = matrix_view(memory.data(), 1, std::ssize(x));
  log ? backend.log_softmax(row, row) : backend.softmax(row, row);
  return download(backend, memory.data(), std::ssize(x));
}

// Columns of a row, and places in it: the first, the last, and some between.
constexpr std::size_t kSomeCols[] = {1, 10, 33, 257, 70001};
std::vector<std::size_t> places_in(std::size_t cols) {
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < cols; at += cols / 9 + 1) places.push_back(at);
  places.push_back(cols - 1);
  return places;
}

TEST(Softmax, GivesMaskedEntriesExactlyZero) {
  for (const auto& backend : make_backends())
    for (const std::size_t cols : kSomeCols)
      for (const std::size_t at : places_in(cols)) {
        std::vector<float> x(cols, -kInfinity);
        x[at] = 3;
        std::vector<float> expected(cols, 0.0f), log_expected(cols, -kInfinity);
        expected[at] = 1;
        log_expected[at] = 0;
        EXPECT_EQ(forward(*backend, x), expected) << at << " of " << cols;
        EXPECT_EQ(forward(*backend, x, true), log_expected) << at << " of " << cols;
      }
}

// Less than every other number that a maximum might begin with; all others become 0 beside it.
template <class T>
void expect_the_largest_to_be_found() {
  for (const auto& backend : make_backends())
    for (const std::size_t cols : kSomeCols)
      for (const std::size_t at : places_in(cols)) {
        std::vector<T> x(cols, T{-20000}), expected(cols, T{0}), log_expected(cols, T{-10000});
        x[at] = -10000;
        expected[at] = 1;
        log_expected[at] = 0;
        EXPECT_EQ(forward(*backend, x), expected) << at << " of " << cols;
        EXPECT_EQ(forward(*backend, x, true), log_expected) << at << " of " << cols;
      }
}
TEST(Softmax, FindsTheLargestWhereverItLies) { expect_the_largest_to_be_found<float>(); }
TEST(Softmax, FindsTheLargestOfDoublesWhereverItLies) { expect_the_largest_to_be_found<double>(); }

template <class T>
void expect_bad_entries_to_fill_their_row() {
  const auto all_nan = [](const std::vector<T>& y) {
    return std::all_of(y.begin(), y.end(), [](T v) { return std::isnan(v); });
  };
  for (const auto& backend : make_backends())
    for (const std::size_t cols : kSomeCols)
      for (const bool log : {false, true}) {
        EXPECT_TRUE(all_nan(forward(*backend, std::vector<T>(cols, T{-kInfinity}), log)));
        for (const float bad : {kNan, -kNan, kInfinity})
          for (const std::size_t at : {std::size_t{0}, cols / 2, cols - 1}) {
            const auto floats = reference::random_floats(cols, 1);
            std::vector<T> x(floats.begin(), floats.end());
            x[at] = T{bad};
            EXPECT_TRUE(all_nan(forward(*backend, x, log))) << bad << " at " << at << " of " << cols;
          }
      }
}
TEST(Softmax, MakesTheWholeRowNaNForNaNAndInfinityAndNoFiniteEntry) {
  expect_bad_entries_to_fill_their_row<float>();
}
TEST(Softmax, MakesTheWholeRowOfDoublesNaNLikewise) { expect_bad_entries_to_fill_their_row<double>(); }

TEST(Softmax, DoesNotOverflow) {
  for (const auto& backend : make_backends()) {
    EXPECT_EQ(forward(*backend, {1e38f, -1e38f, 1e38f}), (std::vector<float>{0.5f, 0, 0.5f}));
    EXPECT_EQ(forward(*backend, std::vector<float>(64, 3e38f)), std::vector<float>(64, 1.0f / 64));
    EXPECT_EQ(forward(*backend, {-3e38f}), (std::vector<float>{1}));
    EXPECT_EQ(forward(*backend, {5.0f}, true), (std::vector<float>{0}));
  }
}

TEST(Softmax, KeepsDoubleInDouble) {
  for (const auto& backend : make_backends())
    for (const std::int64_t cols : {1, 7, 10, 65, 1000}) {
      const auto floats = reference::random_floats(static_cast<std::size_t>(cols), 3, 4);
      const Row x(floats.begin(), floats.end());
      const auto memory = upload(*backend, x), log_memory = upload(*backend, x);
      const auto y = matrix_view(memory.data(), 1, cols), log_y = matrix_view(log_memory.data(), 1, cols);
      backend->softmax(y, y);
      backend->log_softmax(log_y, log_y);
      const Row expected = reference::softmax(x), log_expected = reference::log_softmax(x);
      const Row values = download(*backend, memory.data(), cols),
                log_values = download(*backend, log_memory.data(), cols);
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_NEAR(values[i], expected[i], 1e-14 * expected[i]);
        EXPECT_NEAR(log_values[i], log_expected[i], 1e-13);
      }
      Row g(x.size());
      for (std::size_t i = 0; i < g.size(); ++i) g[i] = std::sin(static_cast<double>(i));
      const auto gradient = upload(*backend, g);
      const auto dx = matrix_view(gradient.data(), 1, cols);
      backend->softmax_backward(y, dx, dx);
      const Row backward = reference::softmax_backward(expected, g),
                got = download(*backend, gradient.data(), cols);
      for (std::size_t i = 0; i < g.size(); ++i) EXPECT_NEAR(got[i], backward[i], 1e-14);
    }
}

}  // namespace
}  // namespace softwarp
