#include <limits>

#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A few roundings, and an exp or tanh good to 4 of them, which the arithmetic around it at most doubles.
double tolerance_at(double value) { return 16 * kRounding * (std::abs(value) + 1); }

// gelu's derivative has z/2 u'(z) (1 - tanh²) in it: where tanh is near 1, all its roundings are left in the
// difference, and z/2 u'(z), up to 14 for the values here, multiplies them.
double derivative_tolerance_at(Activation kind, double z, double value) {
  const double gain = kind == Activation::gelu ? std::abs(z) / 2 * 0.8 * (1 + 0.134145 * z * z) : 0;
  return tolerance_at(value) + 8 * kRounding * gain;
}

struct Case {
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t stride;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.rows << "x" << c.cols << " stride " << c.stride;
}

class ActivationOp : public testing::TestWithParam<Case> {
 protected:
  // Elements of the matrix are drawn anew; what lies between its rows is 7.
  Floats matrix(std::uint32_t seed, float scale) const {
    const auto [rows, cols, stride] = GetParam();
    const Floats values = random_values(rows * cols, seed, scale);
    Floats spread(static_cast<std::size_t>(rows * stride), 7.0f);
    for (std::int64_t i = 0; i < rows * cols; ++i)
      spread[static_cast<std::size_t>(i / cols * stride + i % cols)] = values[static_cast<std::size_t>(i)];
    return spread;
  }
  template <class T>
  MatrixView<T> view(T* data) const {
    const auto [rows, cols, stride] = GetParam();
    return {data, rows, cols, stride};
  }
  bool in_matrix(std::size_t i) const {
    return static_cast<std::int64_t>(i) % GetParam().stride < GetParam().cols;
  }
};

TEST_P(ActivationOp, MatchesTheDefinitionOnEveryBackend) {
  const Floats z = matrix(1, 6.0f);
  for (const Activation kind : kActivations) {
    Doubles expected, tolerance;
    for (std::size_t i = 0; i < z.size(); ++i) {
      expected.push_back(in_matrix(i) ? activation_definition(kind, z[i]) : 7.0);
      tolerance.push_back(tolerance_at(expected.back()));
    }
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name() + " " + text_of(kind));
      const auto from = upload(*backend, z);
      const auto to = upload(*backend, Floats(z.size(), 7.0f));
      backend->activation(kind, view<const float>(from.data()), view(to.data()));
      const Floats apart = download(*backend, to.data(), to.size());
      EXPECT_TRUE(all_near(apart, expected, tolerance));
      backend->activation(kind, view<const float>(from.data()), view(from.data()));
      EXPECT_EQ(download(*backend, from.data(), from.size()), apart) << "in place";
    }
  }
}

TEST_P(ActivationOp, BackwardMatchesTheDefinitionOnEveryBackend) {
  const Floats z = matrix(1, 6.0f), dy = matrix(2, 1.0f);
  for (const Activation kind : kActivations) {
    Floats y;
    Doubles expected, tolerance;
    for (std::size_t i = 0; i < z.size(); ++i) {
      y.push_back(in_matrix(i) ? static_cast<float>(activation_definition(kind, z[i])) : 7.0f);
      expected.push_back(in_matrix(i) ? dy[i] * derivative_definition(kind, z[i]) : 7.0);
      tolerance.push_back(derivative_tolerance_at(kind, z[i], expected.back()));
    }
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name() + " " + text_of(kind));
      const auto from_z = upload(*backend, z), from_y = upload(*backend, y), from_dy = upload(*backend, dy);
      const auto to = upload(*backend, Floats(z.size(), 7.0f));
      // Only gelu may ask for z.
      const auto z_view = kind == Activation::gelu ? view<const float>(from_z.data()) : Backend::ConstView{};
      const auto y_view = view<const float>(from_y.data()), dy_view = view<const float>(from_dy.data());
      backend->activation_backward(kind, z_view, y_view, dy_view, view(to.data()));
      const Floats apart = download(*backend, to.data(), to.size());
      EXPECT_TRUE(all_near(apart, expected, tolerance));
      backend->activation_backward(kind, z_view, y_view, dy_view, view(from_dy.data()));
      EXPECT_EQ(download(*backend, from_dy.data(), from_dy.size()), apart) << "in place";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ActivationOp,
                         testing::Values(Case{0, 5, 5}, Case{1, 1, 1}, Case{1, 3, 3}, Case{7, 13, 13},  // odd
                                         Case{5, 16, 16}, Case{5, 33, 40},            // rows apart
                                         Case{128, 128, 128}, Case{129, 127, 127}));  // beside 16384

TEST(Activation, DerivativeIsWhatFiniteDifferencesSay) {
  constexpr double kStep = 1e-5;
  for (const Activation kind : kActivations)
    for (const float z : random_values(1000, 3, 6.0f)) {
      if (std::abs(z) < kStep) continue;  // relu has no derivative at 0
      const double slope =
          (activation_definition(kind, z + kStep) - activation_definition(kind, z - kStep)) / (2 * kStep);
      // The third derivative times step²/6, and the rounding of the difference over the step.
      ASSERT_NEAR(derivative_definition(kind, z), slope, 1e-9) << text_of(kind) << " at " << z;
    }
}

TEST(Activation, GeluIsTheTanhForm) {
  // The erf form gives 0.841345 and 0.045500 less than 2.
  EXPECT_NEAR(activation_definition(Activation::gelu, 1), 0.841192, 1e-6);
  EXPECT_NEAR(activation_definition(Activation::gelu, -2), -0.045402, 1e-6);
}

Floats run(Backend& backend, Activation kind, const Floats& z) {
  const auto values = upload(backend, z);
  const auto view = matrix_view(values.data(), 1, values.size());
  backend.activation(kind, view, view);
  return download(backend, values.data(), values.size());
}

// A diverged training must show.
TEST(Activation, PassesNaN) {
  for (const auto& backend : make_backends())
    for (const Activation kind : kActivations)
      for (const std::size_t size : {1u, 21u}) {
        SCOPED_TRACE(backend->name() + " " + text_of(kind));
        Floats z(size, 1.0f);
        z.back() = NAN;
        const Floats y = run(*backend, kind, z);
        EXPECT_TRUE(std::isnan(y.back()));
        EXPECT_EQ(std::count_if(y.begin(), y.end(), [](float v) { return std::isnan(v); }), 1);
      }
}

TEST(Activation, KeepsItsLimitsHoweverLargeTheArgument) {
  for (const auto& backend : make_backends())
    for (const float large :
         {30.0f, 88.0f, 89.0f, 100.0f, 105.0f, 127.0f, 150.0f, 300.0f, 1e4f, 1e9f, 1e18f}) {
      SCOPED_TRACE(backend->name() + " at " + std::to_string(large));
      const Floats z{large, -large, 0.0f, large, -large};
      const auto expect = [&](Activation kind, double above, double below, double middle) {
        EXPECT_TRUE(all_near(run(*backend, kind, z), {above, below, middle, above, below}, 1e-12 * above))
            << text_of(kind);
      };
      expect(Activation::identity, large, -large, 0);
      expect(Activation::relu, large, 0, 0);
      expect(Activation::gelu, large, 0, 0);
      expect(Activation::tanh, 1, -1, 0);
      expect(Activation::sigmoid, 1, 0, 0.5);
    }
}

TEST(Activation, TakesInfinity) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats z{kInfinity, -kInfinity, std::numeric_limits<float>::max(),
                   std::numeric_limits<float>::lowest()};
    EXPECT_EQ(run(*backend, Activation::relu, z), (Floats{kInfinity, 0, z[2], 0}));
    EXPECT_EQ(run(*backend, Activation::tanh, z), (Floats{1, -1, 1, -1}));
    EXPECT_EQ(run(*backend, Activation::sigmoid, z), (Floats{1, 0, 1, 0}));
  }
}

}  // namespace
}  // namespace softwarp
