// Pictures byte by byte, where no encoder at hand writes them.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/data/temporary_files.h"

namespace softwarp {

Bytes bytes_of(const std::string& text);
std::string number(std::uint32_t value, int size, bool big_endian = false);

// Expects a picture of this width and these greys.
void expect_pixels(const std::string& file, std::int64_t width, const std::vector<float>& pixels,
                   float tolerance = 0.6f);

// A BMP's header of 40 bytes, and a file of a header, `rest` and so many bytes between header and pixels.
std::string bmp_info(std::uint32_t width, std::uint32_t height, std::uint32_t bits,
                     std::uint32_t compression);
std::string bmp(const std::string& header, const std::string& rest, std::size_t extra);

// A JPEG of inks, 8 by 8 of one colour. libjpeg turns the first three into luminance and chrominance (YCCK)
// and says so in a segment of Adobe's, where it also means that 255 is no ink.
std::string ink_jpeg(const std::array<std::uint8_t, 4>& inks);
// A segment of a JPEG.
std::string jpeg_segment(int marker, const std::string& content);

// EXIF's tags of a width and of how the camera was held, as 16 or 32 bits. In a JPEG, kExif stands before
// them.
inline constexpr std::uint32_t kShort = 3, kLong = 4;
inline const std::string kExif("Exif\0\0", 6);
std::string exif_tags(bool big_endian, std::uint32_t orientation, std::uint32_t type = kShort);

// A frame of 2 by 1, with the codes "clear, first, second, end" of three bits each, and a GIF of such frames,
// whose colours are black, white, red and blue.
std::string gif_frame(int first, int second);
std::string gif(const std::string& frames);

// Black beside white, without loss: the chunk of a WebP.
inline const std::string kWebpPixels(
    "VP8L\x13\0\0\0\x2F\1\0\0\0\x0F\x30\xFF\xF3\x3F\xFF\xF3\x1F\x78\xA8\x40\x44\xFF\3\0", 28);
std::string webp(const std::string& chunks);

struct Tiff {
  std::uint32_t width, height, bits;
  bool white_is_zero = false, last_bit_first = false, big_endian = false;
  std::uint32_t samples = 1, orientation = 1, compression = 1;
};
// One strip.
std::string tiff(const Tiff& t, const std::string& pixels);

}  // namespace softwarp
