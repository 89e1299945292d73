#include <cmath>

#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

// Its rate is rounded to 1/65536, and 1 / (1 - rate) to a float.
float scale_of(float rate) {
  const double rounded = std::floor(static_cast<double>(rate) * 65536 + 0.5) / 65536;
  return static_cast<float>(1 / (1 - rounded));
}

struct Draw {
  float rate = 0.3f;
  std::int32_t layer = 1;
  TrainingState state = {.seed = 42, .step = 7, .position = 0};
};

Floats drop(Backend& backend, const Floats& x, const Draw& draw) {
  const auto from = upload(backend, x), to = upload(backend, Floats(x.size(), NAN));
  const auto state = upload(backend, std::vector{draw.state});
  const auto size = static_cast<std::int64_t>(x.size());
  backend.dropout(matrix_view<const float>(from.data(), 1, size), draw.rate, draw.layer, state.data(),
                  matrix_view(to.data(), 1, size));
  return download(backend, to.data(), size);
}

constexpr std::size_t kMany = 100'003;  // no multiple of any vector or group

TEST(Dropout, KeepsItsShareAndScalesItExactly) {
  const Floats ones(kMany, 1.0f);
  for (const auto& backend : make_backends())
    for (const float rate : {0.001f, 0.1f, 0.3f, 0.5f, 0.9f, 0.999f}) {
      SCOPED_TRACE(backend->name() + " rate " + std::to_string(rate));
      const Floats y = drop(*backend, ones, {.rate = rate});
      const auto kept = static_cast<double>(std::count(y.begin(), y.end(), scale_of(rate)));
      EXPECT_EQ(kept + static_cast<double>(std::count(y.begin(), y.end(), 0.0f)), kMany);
      EXPECT_NEAR(kept / kMany, 1 - rate, 4 * std::sqrt(rate * (1 - rate) / kMany));
    }
}

TEST(Dropout, KeepsTheSameShareAtEveryPlaceOfAGroup) {
  const Floats ones(8 * 10'000, 1.0f);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats y = drop(*backend, ones, {});
    for (std::size_t place = 0; place < 8; ++place) {
      int kept = 0;
      for (std::size_t i = place; i < y.size(); i += 8) kept += y[i] != 0;
      EXPECT_NEAR(kept / 10'000.0, 0.7, 4 * std::sqrt(0.21 / 10'000)) << place;
    }
  }
}

// Elements of one group come from one draw, and may have nothing else in common.
TEST(Dropout, DrawsNeighboursIndependently) {
  const Floats ones(kMany, 1.0f);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats y = drop(*backend, ones, {.rate = 0.5f});
    for (std::size_t apart = 1; apart <= 17; ++apart) {
      int same = 0;
      for (std::size_t i = apart; i < kMany; ++i) same += y[i] == y[i - apart];
      EXPECT_NEAR(same / static_cast<double>(kMany - apart), 0.5, 4 * std::sqrt(0.25 / kMany))
          << apart << " apart";
    }
  }
}

TEST(Dropout, MultipliesEachElementThatItKeeps) {
  const Floats x = random_values(1003, 1);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats y = drop(*backend, x, {});
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_TRUE(y[i] == 0 || y[i] == x[i] * scale_of(0.3f)) << i;
  }
}

TEST(Dropout, BackwardDrawsTheSame) {
  const Floats x(1003, 1.0f), dy = random_values(1003, 2);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats y = drop(*backend, x, {}), dx = drop(*backend, dy, {});
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(dx[i], dy[i] * y[i]) << i;
  }
}

// Two draws keep the same elements only as often as chance has it.
TEST(Dropout, DrawsAnewForEverySeedStepAndLayer) {
  const Floats ones(kMany, 1.0f);
  constexpr double kAgree = 0.5;  // at rate 1/2
  const Draw first{.rate = 0.5f};
  std::vector<Draw> others(6, first);
  others[0].layer = 2;
  others[1].state.step = 8;
  others[2].state.seed = 43;
  others[3].state.seed = 42 + (std::uint64_t{1} << 32);
  others[4].state.step = 7 + 256;
  others[5].layer = 0;
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats y = drop(*backend, ones, first);
    EXPECT_EQ(drop(*backend, ones, first), y);
    for (std::size_t i = 0; i < others.size(); ++i) {
      const Floats other = drop(*backend, ones, others[i]);
      int same = 0;
      for (std::size_t j = 0; j < kMany; ++j) same += y[j] == other[j];
      EXPECT_NEAR(same / static_cast<double>(kMany), kAgree, 4 * std::sqrt(0.25 / kMany)) << i;
    }
  }
}

TEST(Dropout, DoesNotDependOnThePositionInTheEpoch) {
  const Floats ones(100, 1.0f);
  Draw later;
  later.state.position = 640;
  for (const auto& backend : make_backends())
    EXPECT_EQ(drop(*backend, ones, later), drop(*backend, ones, {}));
}

TEST(Dropout, IsTheSameOnEveryBackendAndForEverySize) {
  const Floats ones(kMany, 1.0f);
  const auto backends = make_backends();
  const Floats expected = drop(*backends.front(), ones, {});
  for (const auto& backend : backends) {
    SCOPED_TRACE(backend->name());
    EXPECT_EQ(drop(*backend, ones, {}), expected);
    for (const std::size_t size : {1u, 7u, 8u, 9u, 4096u, 4097u})
      EXPECT_EQ(drop(*backend, Floats(size, 1.0f), {}), Floats(expected.begin(), expected.begin() + size));
  }
}

// Rows of a length that no group of draws divides.
TEST(Dropout, OfAPartOfABatchIsThePartOfTheBatchs) {
  constexpr std::int64_t kRows = 23, kCols = 11;
  const Floats x = random_values(kRows * kCols, 1);
  const Floats whole = drop(*make_cpu_backend(1), x, {});
  for (const auto& backend : make_backends())
    for (std::int64_t first = 0; first < kRows; ++first) {
      SCOPED_TRACE(testing::Message() << backend->name() << ", row " << first);
      const auto from = x.begin() + first * kCols;
      const auto values = upload(*backend, Floats(from, x.end()));
      const auto state = upload(*backend, std::vector{Draw{}.state});
      const auto part = matrix_view(values.data(), kRows - first, kCols);
      backend->dropout(part, 0.3f, 1, state.data(), part, first);
      EXPECT_EQ(download(*backend, values.data(), values.size()),
                Floats(whole.begin() + first * kCols, whole.end()));
    }
}

TEST(Dropout, WritesNothingBehindTheEnd) {
  for (const auto& backend : make_backends())
    for (std::int64_t size = 1; size <= 40; ++size) {
      SCOPED_TRACE(testing::Message() << backend->name() << ", " << size);
      const auto from = upload(*backend, Floats(64, 1.0f)), to = upload(*backend, Floats(64, -7.0f));
      const auto state = upload(*backend, std::vector{Draw{}.state});
      backend->dropout(matrix_view<const float>(from.data(), 1, size), 0.3f, 1, state.data(),
                       matrix_view(to.data(), 1, size));
      const Floats y = download(*backend, to.data(), 64);
      EXPECT_EQ(std::count(y.begin(), y.begin() + size, -7.0f), 0);
      EXPECT_EQ(std::count(y.begin() + size, y.end(), -7.0f), 64 - size);
    }
}

// So many that some draw each of the 65536 numbers.
TEST(Dropout, AtRateZeroChangesNothing) {
  const Floats x = random_values(1'000'003, 1);
  for (const auto& backend : make_backends()) EXPECT_EQ(drop(*backend, x, {.rate = 0}), x) << backend->name();
}

TEST(Dropout, WorksInPlaceRowAfterRow) {
  const Floats x = random_values(7 * 13, 1);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const auto values = upload(*backend, x);
    const auto state = upload(*backend, std::vector{Draw{}.state});
    const auto view = matrix_view(values.data(), 7, 13);
    backend->dropout(view, 0.3f, 1, state.data(), view);
    EXPECT_EQ(download(*backend, values.data(), values.size()), drop(*backend, x, {}));
  }
}

TEST(Dropout, OfNoRowsIsNoWork) {
  for (const auto& backend : make_backends()) {
    const auto state = upload(*backend, std::vector{Draw{}.state});
    const Matrix none = backend->make_matrix(0, 5);
    backend->dropout(none.view(), 0.3f, 1, state.data(), none.view());
    backend->wait();
  }
}

}  // namespace
}  // namespace softwarp
