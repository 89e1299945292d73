#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace softwarp {

// Numbers in rows, for the page to draw.
struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<float> values;
};

// The means of squares of so many pixels that neither side is above 64.
[[nodiscard]] Image shrunk(const Image& image);

// A byte a value, row by row, in base64: that of [-limit, limit] as 0 to 254 with 127 for 0; of a value that
// is not finite 255.
[[nodiscard]] std::string packed(const Image& image, float limit);

std::string base64(std::span<const std::uint8_t> bytes);

}  // namespace softwarp
