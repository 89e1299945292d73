#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

constexpr float kFence = 12352;

// `packed` after renorm_rows, its rows `gap` apart and the first one `offset` off alignment. What lies
// between them stays.
Floats renormed(Backend& backend, const Floats& packed, std::int64_t rows, std::int64_t cols, float max_norm,
                std::int64_t gap = 0, std::int64_t offset = 0) {
  const std::int64_t stride = cols + gap;
  const auto place = [&](std::int64_t r, std::int64_t j) {
    return static_cast<std::size_t>(offset + r * stride + j);
  };
  Floats all(place(rows, 8), kFence);
  for (std::int64_t r = 0; r < rows; ++r)
    std::copy_n(packed.begin() + r * cols, cols, all.begin() + static_cast<std::ptrdiff_t>(place(r, 0)));
  const auto memory = upload(backend, all);
  backend.renorm_rows(MatrixView<float>{memory.data() + offset, rows, cols, stride}, max_norm);
  all = download(backend, memory.data(), memory.size());
  Floats result;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t j = 0; j < cols; ++j) result.push_back(std::exchange(all[place(r, j)], kFence));
  EXPECT_EQ(all, Floats(all.size(), kFence)) << "written between the rows";
  return result;
}

double norm_of(std::span<const float> row) {
  double squares = 0;
  for (const double value : row) squares += value * value;
  return std::sqrt(squares);
}

void expect_as_defined(Backend& backend, std::int64_t rows, std::int64_t cols, std::int64_t gap,
                       std::int64_t offset) {
  SCOPED_TRACE(testing::Message() << backend.name() << ", " << rows << " x " << cols << ", apart by " << gap
                                  << ", off by " << offset);
  // Uniform in [-1, 1): a norm of sqrt(cols / 3), times 0.5, 1, 1.5 or 2.
  Floats x = random_values(rows * cols, 5);
  const auto n = static_cast<std::size_t>(cols);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= 0.5f * static_cast<float>(1 + i / n % 4);
  const auto max_norm = static_cast<float>(1.2 * std::sqrt(static_cast<double>(cols) / 3));
  Doubles expected, tolerances;
  for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
    const auto row = std::span(x).subspan(r * n, n);
    const double norm = norm_of(row), scale = norm > max_norm ? max_norm / norm : 1;
    for (const double value : row) {
      expected.push_back(value * scale);
      // Half the roundings of the squares and their sum, and those of the limit, the root, quotient, product.
      tolerances.push_back(std::abs(value) * kRounding * (static_cast<double>(cols) / 2 + 5));
    }
  }
  EXPECT_TRUE(all_near(renormed(backend, x, rows, cols, max_norm, gap, offset), expected, tolerances));
}

// Beside the widths of vectors, two of them, and a block.
TEST(RenormRows, MatchesTheDefinition) {
  for (const auto& backend : make_backends())
    for (const std::int64_t cols :
         {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025})
      for (const std::int64_t rows : {1, 5})
        for (const std::int64_t gap : {0, 3, 4}) expect_as_defined(*backend, rows, cols, gap, 0);
}

TEST(RenormRows, TakesRowsAtAnyPlaceAndManyOfThem) {
  for (const auto& backend : make_backends()) {
    for (const std::int64_t offset : {1, 2, 3, 4}) expect_as_defined(*backend, 4, 64, 0, offset);
    expect_as_defined(*backend, 70, 300, 0, 0);
    expect_as_defined(*backend, 1030, 16, 4, 0);
  }
}

TEST(RenormRows, OfNothingDoesNothing) {
  for (const auto& backend : make_backends()) {
    EXPECT_EQ(renormed(*backend, {}, 0, 7, 1), Floats{});
    EXPECT_EQ(renormed(*backend, {}, 3, 0, 1), Floats{});
  }
}

// The squares' sums are exact: 25 of each row, or 0.
TEST(RenormRows, LeavesRowsAtTheLimitAndBelow) {
  const Floats x{3, 4, 0, 0, 0, /**/ 0, 0, 0, -5, 0, /**/ 0, -0.0f, 0, 0, 0};
  for (const auto& backend : make_backends()) {
    for (const float limit : {5.0f, 6.0f, 1e30f}) EXPECT_EQ(renormed(*backend, x, 3, 5, limit), x) << limit;
    const float below = std::nextafter(5.0f, 0.0f);
    const Floats scaled = renormed(*backend, x, 3, 5, below);
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(scaled[i], x[i] * (below / 5), 2 * kRounding * std::abs(x[i])) << i;
    EXPECT_LT(scaled[0], 3);
    EXPECT_GT(scaled[8], -5);
  }
}

// Of rows whose squares overflow, or that are lost, neither norm nor scale is a number.
TEST(RenormRows, LeavesRowsWithoutAFiniteNorm) {
  const Floats x{1e20f, 1, 2, /**/ 3, 4, 0, /**/ INFINITY, 1, 2, /**/ 0, 5, 0};
  for (const auto& backend : make_backends()) {
    const Floats found = renormed(*backend, x, 4, 3, 1);
    const Floats expected{1e20f, 1, 2, 0.6f, 0.8f, 0, INFINITY, 1, 2, 0, 1, 0};
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_TRUE(found[i] == expected[i] || std::abs(found[i] - expected[i]) < 4 * kRounding) << i;
    const Floats lost = renormed(*backend, {NAN, 7, 8}, 1, 3, 1);
    EXPECT_TRUE(std::isnan(lost[0]));
    EXPECT_EQ(lost[1], 7);
    EXPECT_EQ(lost[2], 8);
  }
}

TEST(RenormRows, IsTheSameOnAnyNumberOfThreads) {
  const Floats x = random_values(100 * 401, 6);
  const Floats expected = renormed(*make_cpu_backend(1), x, 100, 401, 11);
  EXPECT_NE(expected, x);
  for (const int threads : {2, 3}) EXPECT_EQ(renormed(*make_cpu_backend(threads), x, 100, 401, 11), expected);
}

}  // namespace
}  // namespace softwarp
