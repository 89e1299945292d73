#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace softwarp::program {

// The place in which somebody else's numbers are furthest from ours.
struct Difference {
  double largest = 0;  // NaN beats every number: a NaN on one side alone is the largest difference
  std::size_t at = 0;  // the first such element
};

// Equal infinities and NaN on both sides do not differ.
Difference largest_difference(std::span<const double> theirs, std::span<const double> ours);

// Of the finite values; at least `floor`, by which differences can then be measured.
double largest_magnitude(std::span<const double> values, double floor);

// Nine digits; NaN without its sign.
std::string number_text(double value);

}  // namespace softwarp::program
