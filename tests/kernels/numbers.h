#pragma once

// Element types, and how near a result must come to its definition in double.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace softwarp {

using bfloat16 = __nv_bfloat16;
using float16 = __half;

template <class T>
inline constexpr bool kSmall = sizeof(T) == 2;
// The distance from 1 to the next number of the type that sums are made in.
template <class T>
inline constexpr double kEpsilon = sizeof(T) == 8 ? 0x1p-52 : 0x1p-23;
// Below this, results of that type may be flushed to 0.
template <class T>
inline constexpr double kTiny = sizeof(T) == 8 ? 0x1p-1022 : 0x1p-126;

template <class T>
T to_type(double v) {
  return static_cast<T>(static_cast<float>(v));
}
template <>
inline double to_type<double>(double v) {
  return v;
}
template <class T>
double to_double(T v) {
  return static_cast<double>(static_cast<float>(v));
}
template <>
inline double to_double<double>(double v) {
  return v;
}

// Numbers of a 16-bit type in their order.
template <class T>
int ordinal(T v) {
  std::uint16_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits & 0x8000 ? -static_cast<int>(bits & 0x7fff) : static_cast<int>(bits);
}

// True if two matrices have the same bits; any two NaNs count as equal.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0 &&
        !(std::isnan(to_double(a[i])) && std::isnan(to_double(b[i]))))
      return false;
  return true;
}

// Compares results with the truth and keeps the worst of them, as a share of what is allowed.
class Worst {
 public:
  // |actual - expected| <= tolerance; for 16-bit types also the neighbours of `expected` rounded once. NaN is
  // near NaN alone, an infinity only itself.
  template <class T>
  void see(T actual, double expected, double tolerance) {
    const double a = to_double(actual);
    double share = std::abs(a - expected) / tolerance;
    if (a == expected || (std::isnan(a) && std::isnan(expected))) share = 0;
    if (std::isnan(a) != std::isnan(expected) || std::isinf(expected)) share = share == 0 ? 0 : HUGE_VAL;
    if constexpr (kSmall<T>) {
      if (share > 1 && std::isfinite(a) && std::abs(ordinal(actual) - ordinal(to_type<T>(expected))) <= 1)
        share = 1;
    }
    if (share <= share_) return;
    share_ = share;
    actual_ = a;
    expected_ = expected;
  }
  double share() const { return share_; }
  std::string text() const {
    return std::to_string(share_) + " of the tolerance: " + std::to_string(actual_) + " instead of " +
           std::to_string(expected_);
  }

 private:
  double share_ = 0;
  double actual_ = 0;
  double expected_ = 0;
};

// Normal with this scale and offset, as the type has them.
template <class T>
std::vector<T> random_numbers(std::int64_t count, unsigned seed, double scale = 1, double offset = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& v : values) v = to_type<T>(scale * normal(random) + offset);
  return values;
}

}  // namespace softwarp
