#include "tests/data/picture_bytes.h"

#include <turbojpeg.h>

#include "host/io/image.h"

namespace softwarp {

Bytes bytes_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

std::string number(std::uint32_t value, int size, bool big_endian) {
  std::string text;
  for (int i = 0; i < size; ++i) {
    const int byte = big_endian ? size - 1 - i : i;
    text += static_cast<char>(byte < 4 ? value >> 8 * byte & 255 : 0);
  }
  return text;
}

void expect_pixels(const std::string& file, std::int64_t width, const std::vector<float>& pixels,
                   float tolerance) {
  const Image image = decode_image(bytes_of(file), "picture");
  EXPECT_EQ(image.width, width);
  ASSERT_EQ(image.pixels.size(), pixels.size());
  for (std::size_t i = 0; i < pixels.size(); ++i) EXPECT_NEAR(image.pixels[i], pixels[i], tolerance) << i;
}

std::string bmp(const std::string& header, const std::string& rest, std::size_t extra) {
  const auto offset = static_cast<std::uint32_t>(14 + header.size() + extra);
  return "BM" + number(0, 8) + number(offset, 4) + header + rest;
}
std::string bmp_info(std::uint32_t width, std::uint32_t height, std::uint32_t bits,
                     std::uint32_t compression) {
  return number(40, 4) + number(width, 4) + number(height, 4) + number(1, 2) + number(bits, 2) +
         number(compression, 4) + number(0, 12) + number(2, 4) + number(0, 4);
}
std::string ink_jpeg(const std::array<std::uint8_t, 4>& inks) {
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 64; ++i) pixels.insert(pixels.end(), inks.begin(), inks.end());
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const tjhandle compressor = tjInitCompress();
  EXPECT_EQ(tjCompress2(compressor, pixels.data(), 8, 0, 8, TJPF_CMYK, &bytes, &size, TJSAMP_444, 100, 0), 0);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  tjFree(bytes);
  tjDestroy(compressor);
  return file;
}

std::string jpeg_segment(int marker, const std::string& content) {
  return std::string("\xFF") + static_cast<char>(marker) +
         number(static_cast<std::uint32_t>(content.size()) + 2, 2, true) + content;
}

std::string exif_tags(bool big_endian, std::uint32_t orientation, std::uint32_t type) {
  const auto n = [&](std::uint32_t value, int size) { return number(value, size, big_endian); };
  constexpr std::uint32_t kImageWidth = 0x0100, kOrientation = 0x0112;
  const std::string value = type == kShort ? n(orientation, 2) + n(0, 2) : n(orientation, 4);
  return (big_endian ? "MM" : "II") + n(42, 2) + n(8, 4) + n(2, 2) + n(kImageWidth, 2) + n(kLong, 2) +
         n(1, 4) + n(3, 4) + n(kOrientation, 2) + n(type, 2) + n(1, 4) + value + n(0, 4);
}

std::string gif_frame(int first, int second) {
  const int codes = 4 | first << 3 | second << 6 | 5 << 9;
  return std::string(",\0\0\0\0\2\0\1\0\0\2\2", 12) + number(static_cast<std::uint32_t>(codes), 2) + '\0';
}
std::string gif(const std::string& frames) {
  const std::string palette("\0\0\0\xFF\xFF\xFF\xFF\0\0\0\0\xFF", 12);
  return std::string("GIF89a\2\0\1\0\x81\0\0", 13) + palette + frames + ";";
}

std::string webp(const std::string& chunks) {
  const std::string body = "WEBP" + chunks;
  return "RIFF" + number(static_cast<std::uint32_t>(body.size()), 4) + body;
}

// One strip behind the directory of eleven tags and, for three samples, their bits.
std::string tiff(const Tiff& t, const std::string& pixels) {
  constexpr std::uint32_t kBits = 8 + 2 + 11 * 12 + 4, kPixels = kBits + 6;
  const auto n = [&](std::uint32_t value, int size) { return number(value, size, t.big_endian); };
  const auto tag = [&](std::uint32_t id, std::uint32_t type, std::uint32_t value) {
    return n(id, 2) + n(type, 2) + n(1, 4) + (type == kShort ? n(value, 2) + n(0, 2) : n(value, 4));
  };
  const bool colours = t.samples == 3;
  const std::string bits =
      colours ? n(258, 2) + n(kShort, 2) + n(3, 4) + n(kBits, 4) : tag(258, kShort, t.bits);
  const std::uint32_t photometric = colours ? 2 : t.white_is_zero ? 0 : 1;
  return (t.big_endian ? "MM" : "II") + n(42, 2) + n(8, 4) + n(11, 2) + tag(256, kLong, t.width) +
         tag(257, kLong, t.height) + bits + tag(259, kShort, t.compression) + tag(262, kShort, photometric) +
         tag(266, kShort, t.last_bit_first ? 2 : 1) + tag(273, kLong, kPixels) +
         tag(274, kShort, t.orientation) + tag(277, kShort, t.samples) + tag(278, kLong, t.height) +
         tag(279, kLong, static_cast<std::uint32_t>(pixels.size())) + n(0, 4) + n(t.bits, 2) + n(t.bits, 2) +
         n(t.bits, 2) + pixels;
}

}  // namespace softwarp
