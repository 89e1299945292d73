#include "host/program/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace softwarp::program {
namespace {

double difference(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  return std::abs(a - b);
}

}  // namespace

Difference largest_difference(std::span<const double> theirs, std::span<const double> ours) {
  Difference worst;
  for (std::size_t i = 0; i < ours.size() && !std::isnan(worst.largest); ++i) {
    const double each = difference(theirs[i], ours[i]);
    if (!(each <= worst.largest)) worst = {each, i};
  }
  return worst;
}

double largest_magnitude(std::span<const double> values, double floor) {
  for (const double value : values)
    if (std::isfinite(value)) floor = std::max(floor, std::abs(value));
  return floor;
}

std::string number_text(double value) { return std::isnan(value) ? "nan" : fmt::format("{:.9g}", value); }

}  // namespace softwarp::program
