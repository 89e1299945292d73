#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace softwarp::program {

// An image of rows of `width` bytes, 0..max_pixel, as text: a character is two pixels, one above the other,
// each drawn if it is lighter than a third. Where a terminal has too few columns for that, a square of
// pixels, by their mean, takes the place of one; 0 columns: any number of them.
std::string terminal_image(std::span<const std::uint8_t> pixels, std::int64_t width, int max_pixel,
                           int columns = 0);

// A share of `width` characters, to an eighth of one.
std::string bar(double share, int width);

}  // namespace softwarp::program
