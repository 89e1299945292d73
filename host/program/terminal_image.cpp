#include "host/program/terminal_image.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace softwarp::program {

std::string terminal_image(std::span<const std::uint8_t> pixels, std::int64_t width, int max_pixel,
                           int columns) {
  const auto height = std::ssize(pixels) / width;
  constexpr std::int64_t kIndent = 2;
  const std::int64_t room = columns == 0 ? width : std::max<std::int64_t>(1, columns - kIndent);
  const std::int64_t side = (width + room - 1) / room;  // of a square
  const auto drawn = [&](std::int64_t top, std::int64_t left) {
    std::int64_t sum = 0, count = 0;
    for (std::int64_t y = top; y < std::min(top + side, height); ++y)
      for (std::int64_t x = left; x < std::min(left + side, width); ++x, ++count)
        sum += pixels[static_cast<std::size_t>(y * width + x)];
    return 3 * sum > max_pixel * count;
  };
  std::string text;
  for (std::int64_t y = 0; y < height; y += 2 * side) {
    std::string line(kIndent, ' ');
    for (std::int64_t x = 0; x < width; x += side) {
      const bool upper = drawn(y, x), lower = drawn(y + side, x);
      line += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string bar(double share, int width) {
  constexpr std::array<const char*, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (std::isnan(share)) return "";
  const auto eighths = static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * width * 8));
  std::string text;
  for (std::size_t i = 0; i < eighths / 8; ++i) text += "█";
  return text + kEighths[eighths % 8];
}

}  // namespace softwarp::program
