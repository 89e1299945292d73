#pragma once

// Floating-point numbers of 16 bits: rounding to them, to nearest, ties to even, and back.

#include <algorithm>
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
    const unsigned sign = std::signbit(x) ? 0x8000u : 0u;
    if (std::isinf(x)) return static_cast<std::uint16_t>(sign | kInfinity);
    const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(std::fabs(x), -last_bit(x))));
    // The leading bit of a normal number carries into the exponent, which is why it counts from one less.
    const auto exponent = static_cast<unsigned>(std::min(last_bit(x) + kMantissaBits + kBias - 1, 2 * kBias));
    return static_cast<std::uint16_t>(sign | std::min((exponent << kMantissaBits) + units, kInfinity));
  }

  static float value(std::uint16_t bits) {
    const int exponent = (bits & 0x7fff) >> kMantissaBits;
    const int mantissa = bits & ((1 << kMantissaBits) - 1);
    const float sign = bits & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 2 * kBias + 1) return sign * (mantissa == 0 ? HUGE_VALF : std::nanf(""));
    const int units = exponent == 0 ? mantissa : mantissa + (1 << kMantissaBits);
    return sign * std::ldexp(static_cast<float>(units), std::max(exponent, 1) - kBias - kMantissaBits);
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
