#include "host/program/terminal_image.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace softwarp::program {

std::string terminal_image(std::span<const std::uint8_t> pixels, std::int64_t width, int max_pixel) {
  const auto height = std::ssize(pixels) / width;
  const auto drawn = [&](std::int64_t y, std::int64_t x) {
    return y < height && 3 * pixels[static_cast<std::size_t>(y * width + x)] > max_pixel;
  };
  std::string text;
  for (std::int64_t y = 0; y < height; y += 2) {
    std::string line = "  ";
    for (std::int64_t x = 0; x < width; ++x) {
      const bool upper = drawn(y, x), lower = drawn(y + 1, x);
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
