#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace softwarp {

// An image in grey: 0 black to 255 white, row by row.
struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<float> pixels;
  bool turned = false;  // from how the camera was held, as EXIF says

  float at(std::int64_t y, std::int64_t x) const { return pixels[static_cast<std::size_t>(y * width + x)]; }
};

// PNG, JPEG, BMP, Netpbm's P1 to P6, and GIF, WebP and TIFF where Leptonica was built with them; at most 64
// million pixels. Colours become their luminance, what is transparent the background on which the rest is
// seen best, and what EXIF says was turned is upright. The path "-" is standard input. Throws Error naming
// the file
// (`name`), what was expected and what was found.
[[nodiscard]] Image read_image(const std::filesystem::path& path);
[[nodiscard]] Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name);

// Writes a PNG of [height, width] bytes of grey, whole or not at all. Throws Error naming the file.
void write_png(const std::filesystem::path& path, std::span<const std::uint8_t> pixels, std::int64_t height,
               std::int64_t width);

}  // namespace softwarp
