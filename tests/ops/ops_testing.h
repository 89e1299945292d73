#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "tests/backends.h"

namespace softwarp {

// Half the distance from 1 to the next float: the most that one rounding changes, relatively.
inline constexpr double kRounding = 0x1p-24;

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

// Uniform in [-scale, scale), the same on every machine.
inline Floats random_values(std::int64_t count, std::uint32_t seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  Floats values(static_cast<std::size_t>(count));
  for (float& value : values) value = (static_cast<float>(engine() >> 8) * 0x1p-23f - 1.0f) * scale;
  return values;
}

// Every element within its tolerance; NaN never is. Names the element that is worst.
inline testing::AssertionResult all_near(std::span<const float> actual, const Doubles& expected,
                                         const Doubles& tolerance) {
  if (actual.size() != expected.size() || tolerance.size() != expected.size())
    return testing::AssertionFailure() << actual.size() << " values for " << expected.size() << " expected";
  std::size_t worst = 0, wrong = 0;
  double most = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]);
    const double share = error == 0 ? 0 : error / tolerance[i];
    if (!(share <= 1)) ++wrong;
    if (!(share <= most) && !std::isnan(most)) worst = i, most = share;
  }
  if (wrong == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << wrong << " of " << expected.size() << " wrong, worst element "
                                     << worst << ": " << actual[worst] << " instead of " << expected[worst]
                                     << ", tolerance " << tolerance[worst];
}

inline testing::AssertionResult all_near(std::span<const float> actual, const Doubles& expected,
                                         double tolerance) {
  return all_near(actual, expected, Doubles(expected.size(), tolerance));
}

inline constexpr Activation kActivations[] = {Activation::identity, Activation::relu, Activation::gelu,
                                              Activation::tanh, Activation::sigmoid};

inline const char* text_of(Activation kind) {
  constexpr const char* kTexts[] = {"identity", "relu", "gelu", "tanh", "sigmoid"};
  return kTexts[static_cast<int>(kind)];
}

// The definitions, for the double that is nearest to the truth.
inline double activation_definition(Activation kind, double z) {
  const double pi = std::acos(-1.0);
  switch (kind) {
    case Activation::identity: return z;
    case Activation::relu: return std::max(z, 0.0);
    case Activation::gelu:
      return 0.5 * z * (1 + std::tanh(std::sqrt(2 / pi) * (z + 0.044715 * std::pow(z, 3))));
    case Activation::tanh: return std::tanh(z);
    case Activation::sigmoid: return 1 / (1 + std::exp(-z));
  }
  return NAN;
}

// The derivatives, by the rules of calculus; the tests compare them with finite differences.
inline double derivative_definition(Activation kind, double z) {
  const double pi = std::acos(-1.0);
  switch (kind) {
    case Activation::identity: return 1;
    case Activation::relu: return z > 0 ? 1 : 0;
    case Activation::gelu: {
      const double u = std::sqrt(2 / pi) * (z + 0.044715 * std::pow(z, 3));
      const double du = std::sqrt(2 / pi) * (1 + 3 * 0.044715 * z * z);
      return 0.5 * (1 + std::tanh(u)) + 0.5 * z * du / std::pow(std::cosh(u), 2);
    }
    case Activation::tanh: return 1 / std::pow(std::cosh(z), 2);
    case Activation::sigmoid: return std::exp(-z) / std::pow(1 + std::exp(-z), 2);
  }
  return NAN;
}

}  // namespace softwarp
