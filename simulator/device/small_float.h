#pragma once

// Floating-point numbers of 16 bits: rounding to them, to nearest, ties to even, and back.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace softwarp::simulator {

template <int kExponentBits, int kMantissaBits>
struct SmallFloat {
  static constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
  static constexpr unsigned kInfinity = ((1u << kExponentBits) - 1) << kMantissaBits;
  static constexpr std::uint16_t kNan = 0x7fff;

  // The weight of the last bit that a number like x has.
  static int last_bit(double x) {
    if (x == 0) return 1 - kBias - kMantissaBits;
    int exponent = 0;
    std::frexp(x, &exponent);
    return std::max(exponent - 1, 1 - kBias) - kMantissaBits;
  }

  // The nearest number of this precision, as a double; it may be too large for the format.
  static double nearest(double x) {
    if (!std::isfinite(x)) return x;
    return std::ldexp(std::nearbyint(std::ldexp(x, -last_bit(x))), last_bit(x));
  }

  static std::uint16_t round(double x) {
    if (std::isnan(x)) return kNan;
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const auto sign = static_cast<unsigned>(bits >> 48 & 0x8000);
    const std::uint64_t magnitude = bits & ~std::uint64_t{0} >> 1;
    constexpr int kDropped = 52 - kMantissaBits;
    constexpr std::uint64_t kLeastNormal = std::uint64_t{1024 - kBias} << 52;
    if (magnitude < kLeastNormal) {
      constexpr double kUnits = std::bit_cast<double>(std::uint64_t{1023 + kBias - 1 + kMantissaBits} << 52);
      return static_cast<std::uint16_t>(
          sign | static_cast<unsigned>(std::nearbyint(std::bit_cast<double>(magnitude) * kUnits)));
    }
    // Half a unit, less a little where the last bit that stays is 0; a carry goes on into the exponent.
    const std::uint64_t up = (std::uint64_t{1} << (kDropped - 1)) - 1 + (magnitude >> kDropped & 1);
    const std::uint64_t rounded = (magnitude - (kLeastNormal - (std::uint64_t{1} << 52)) + up) >> kDropped;
    return static_cast<std::uint16_t>(sign | std::min<std::uint64_t>(rounded, kInfinity));
  }

  static float value(std::uint16_t bits) {
    const unsigned magnitude = bits & 0x7fffu;
    const float sign = bits & 0x8000 ? -1.0f : 1.0f;
    if (magnitude >= kInfinity) return sign * (magnitude == kInfinity ? HUGE_VALF : std::nanf(""));
    // With the exponent's bias of a float; 2^(127 - kBias) makes it right, of subnormal numbers too.
    constexpr float kScale = std::bit_cast<float>((127u + 127u - static_cast<unsigned>(kBias)) << 23);
    return sign * (std::bit_cast<float>(magnitude << (23 - kMantissaBits)) * kScale);
  }
};

// The 16-bit types of the toolkit: bits, with conversions.
template <class Format>
struct Number16 {
  std::uint16_t bits;

  Number16() = default;
  template <class T>
    requires std::is_arithmetic_v<T>
  Number16(T x) : bits(Format::round(static_cast<double>(x))) {}
  operator float() const { return Format::value(bits); }
};

}  // namespace softwarp::simulator
