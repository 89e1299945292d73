#include "host/report/images.h"

#include <algorithm>
#include <cmath>

namespace softwarp {
namespace {

constexpr std::int64_t kLargestSide = 64;

}  // namespace

Image shrunk(const Image& image) {
  const std::int64_t side = (std::max(image.height, image.width) + kLargestSide - 1) / kLargestSide;
  Image result{(image.height + side - 1) / side, (image.width + side - 1) / side, {}};
  for (std::int64_t y = 0; y < image.height; y += side)
    for (std::int64_t x = 0; x < image.width; x += side) {
      float sum = 0;
      const std::int64_t bottom = std::min(y + side, image.height), right = std::min(x + side, image.width);
      for (std::int64_t row = y; row < bottom; ++row)
        for (std::int64_t col = x; col < right; ++col)
          sum += image.values[static_cast<std::size_t>(row * image.width + col)];
      result.values.push_back(sum / static_cast<float>((bottom - y) * (right - x)));
    }
  return result;
}

std::string packed(const Image& image, float limit) {
  std::vector<std::uint8_t> bytes;
  for (const float value : image.values) {
    const float share = limit > 0 ? std::clamp(value / limit, -1.0f, 1.0f) : 0.0f;
    bytes.push_back(std::isfinite(value) ? static_cast<std::uint8_t>(std::lround(127 + 127 * share)) : 255);
  }
  return base64(bytes);
}

std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace softwarp
