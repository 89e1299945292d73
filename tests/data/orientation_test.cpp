// Pictures that a camera took lying or on its head are seen upright, as EXIF says; EXIF that is damaged says
// nothing.

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <string>
#include <utility>

#include "host/io/image.h"
#include "tests/data/drawn_images.h"
#include "tests/data/picture_bytes.h"

namespace softwarp {
namespace {

constexpr std::int64_t kHeight = 2, kWidth = 3;
const Bytes kPixels{10, 60, 110, 160, 210, 250};

Bytes stored(ImageKind kind) { return picture_file(kind, kHeight, kWidth, 1, kPixels); }

// The segments come first in the file.
Bytes jpeg_with(const std::string& segments) {
  Bytes file = stored(ImageKind::jpeg);
  const Bytes more = bytes_of(segments);
  file.insert(file.begin() + 2, more.begin(), more.end());
  return file;
}

std::string chunk(const std::string& content) {
  const std::string body = "eXIf" + content;
  const auto sum = crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
  return number(static_cast<std::uint32_t>(content.size()), 4, true) + body +
         number(static_cast<std::uint32_t>(sum), 4, true);
}
// The chunk stands behind the head of 8 + 25 bytes, or before the end of 12.
Bytes png_with(const std::string& chunk, bool at_the_end = false) {
  Bytes file = stored(ImageKind::png);
  const Bytes more = bytes_of(chunk);
  file.insert(at_the_end ? file.end() - 12 : file.begin() + 33, more.begin(), more.end());
  return file;
}

// The sides of the picture at which its first stored row and its first stored column are seen
// (EXIF 2.32, 4.6.4).
constexpr std::pair<char, char> kSides[] = {{'t', 'l'}, {'t', 'r'}, {'b', 'r'}, {'b', 'l'},
                                            {'l', 't'}, {'r', 't'}, {'r', 'b'}, {'l', 'b'}};

void expect_turned(const Bytes& file, int orientation, double tolerance) {
  SCOPED_TRACE(orientation);
  const auto [row_side, column_side] = kSides[orientation - 1];
  const bool lies = row_side == 'l' || row_side == 'r';
  const Image image = decode_image(file, "picture");
  EXPECT_EQ(image.turned, orientation != 1);
  ASSERT_EQ(image.height, lies ? kWidth : kHeight);
  ASSERT_EQ(image.width, lies ? kHeight : kWidth);
  const auto from = [](char side, std::int64_t i, std::int64_t count) {
    return side == 'b' || side == 'r' ? count - 1 - i : i;
  };
  for (std::int64_t row = 0; row < kHeight; ++row)
    for (std::int64_t column = 0; column < kWidth; ++column) {
      const std::int64_t by_row = from(row_side, row, kHeight), by_column = from(column_side, column, kWidth);
      const float seen = lies ? image.at(by_column, by_row) : image.at(by_row, by_column);
      EXPECT_NEAR(seen, kPixels[static_cast<std::size_t>(row * kWidth + column)], tolerance)
          << row << ' ' << column;
    }
}

constexpr double kJpeg = 3, kPng = 0;

TEST(Orientation, OfAJpegIsTurnedUpright) {
  for (const bool big_endian : {false, true})
    for (int orientation = 1; orientation <= 8; ++orientation) {
      const auto value = static_cast<std::uint32_t>(orientation);
      expect_turned(jpeg_with(jpeg_segment(0xE1, kExif + exif_tags(big_endian, value))), orientation, kJpeg);
      expect_turned(jpeg_with(jpeg_segment(0xE1, kExif + exif_tags(big_endian, value, kLong))), orientation,
                    kJpeg);
    }
  const std::string xmp = jpeg_segment(0xE1, "http://ns.adobe.com/xap/1.0/"), padding = "\xFF\xFF";
  expect_turned(jpeg_with(xmp + padding + jpeg_segment(0xE1, kExif + exif_tags(true, 6))), 6, kJpeg);
}

TEST(Orientation, OfAPngIsTurnedUpright) {
  for (const bool big_endian : {false, true})
    for (int orientation = 1; orientation <= 8; ++orientation) {
      const std::string exif = exif_tags(big_endian, static_cast<std::uint32_t>(orientation));
      expect_turned(png_with(chunk(exif)), orientation, kPng);
      expect_turned(png_with(chunk(exif), /*at_the_end=*/true), orientation, kPng);
    }
}

TEST(Orientation, OfAWebpIsTurnedUpright) {
  const std::string exif = exif_tags(true, 6), size = number(static_cast<std::uint32_t>(exif.size()), 4);
  const std::string extended("VP8X\x0A\0\0\0\x08\0\0\0\1\0\0\0\0\0", 18);
  const Image image = decode_image(bytes_of(webp(extended + kWebpPixels + "EXIF" + size + exif)), "picture");
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(image.pixels, (std::vector<float>{0, 255}));
}

TEST(Orientation, OfDamagedExifIsNone) {
  const std::string whole = exif_tags(false, 6);
  std::string far_away = whole, many = whole;
  far_away.replace(4, 4, "\xFF\xFF\xFF\xFF");
  many.replace(8, 2, "\xFF\xFF");
  std::string without = many;  // as many tags, none of them the orientation
  without.replace(22, 1, "\x13");
  for (const std::string& exif :
       {std::string(), std::string("II"), std::string("XX") + whole.substr(2), far_away, without,
        whole.substr(0, 24), exif_tags(false, 0), exif_tags(true, 9), exif_tags(false, 65535)}) {
    expect_turned(jpeg_with(jpeg_segment(0xE1, kExif + exif)), 1, kJpeg);
    expect_turned(png_with(chunk(exif)), 1, kPng);
  }
  expect_turned(png_with(chunk(many)), 6, kPng);
  std::string wrong_sum = chunk(whole);
  wrong_sum.back() = static_cast<char>(wrong_sum.back() ^ 1);
  EXPECT_EQ(decode_image(png_with(wrong_sum), "picture").pixels.size(), kPixels.size());
}

}  // namespace
}  // namespace softwarp
