#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace softwarp {

// The value of an IEEE 754 binary16 number.
inline double from_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double size = exponent == 0   ? std::ldexp(fraction, -24)
                      : exponent < 31 ? std::ldexp(1024 + fraction, exponent - 25)
                      : fraction == 0 ? std::numeric_limits<double>::infinity()
                                      : std::numeric_limits<double>::quiet_NaN();
  return bits >> 15 ? -size : size;
}

}  // namespace softwarp
