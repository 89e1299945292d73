#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

// The decoders of single formats; for image.cpp alone. Each throws Error naming `name`.
namespace softwarp::image_formats {

using Bytes = std::span<const std::uint8_t>;

inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;

[[noreturn]] void fail(const std::string& name, const std::string& found);
// Throws where a picture has no pixels, or more than kMostPixels.
void check_size(const std::string& name, std::int64_t height, std::int64_t width);

// Red, green, blue and opacity of each pixel.
struct Rgba {
  Rgba(const std::string& name, std::int64_t rows, std::int64_t columns) : height(rows), width(columns) {
    check_size(name, rows, columns);
    bytes.resize(static_cast<std::size_t>(4 * rows * columns), 255);
  }

  std::int64_t height, width;
  std::vector<std::uint8_t> bytes;
};

Rgba decode_bmp(Bytes bytes, const std::string& name);
Rgba decode_jpeg(Bytes bytes, const std::string& name);
Rgba decode_png(Bytes bytes, const std::string& name);
Rgba decode_pnm(Bytes bytes, const std::string& name);
// GIF (its first frame), WebP and TIFF (its first page).
Rgba decode_by_leptonica(Bytes bytes, const std::string& name);

// How a camera was held, 1 (upright) to 8, as EXIF says in a JPEG, a PNG or a WebP; 1 where nothing does.
[[nodiscard]] int exif_orientation(Bytes bytes);
// The number behind a tag in the first directory of a TIFF, `otherwise` where there is none.
[[nodiscard]] std::uint32_t tiff_number(Bytes tiff, std::uint32_t tag, std::uint32_t otherwise);

}  // namespace softwarp::image_formats
