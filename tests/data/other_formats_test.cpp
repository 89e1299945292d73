// Pictures whose pixels are not grey or red, green and blue of 8 bits: inks, palettes, 16 bits, white as 0.

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <tuple>

#include "host/io/image.h"
#include "tests/data/picture_bytes.h"

namespace softwarp {
namespace {

void expect_refused(const std::string& file, std::string_view found) {
  expect_error([&] { std::ignore = decode_image(bytes_of(file), "picture"); },
               {"picture: expected a PNG", found});
}

constexpr std::string_view kAdobe(
    "\xFF\xEE\0\x0E"
    "Adobe",
    9);

float luminance(float red, float green, float blue) { return 0.299f * red + 0.587f * green + 0.114f * blue; }

TEST(Jpeg, MayBeOfInks) {
  const std::string ycck = ink_jpeg({200, 100, 50, 128});
  ASSERT_NE(ycck.find(kAdobe), std::string::npos);
  const float black = 128.0f / 255;
  expect_pixels(ycck, 8, std::vector<float>(64, luminance(200 * black, 100 * black, 50 * black)), 2);

  // Of equal inks the chrominance is 128, and they are their own luminance, so the same bytes are cyan 200
  // and 128 of magenta and yellow where nothing was turned; libjpeg's YCCK has 255 minus the inks.
  std::string cmyk = ink_jpeg({200, 200, 200, 255});
  cmyk[cmyk.find(kAdobe) + 15] = 0;
  expect_pixels(cmyk, 8, std::vector<float>(64, luminance(55, 128, 128)), 2);

  // Without Adobe's segment, 255 is all ink.
  cmyk.erase(cmyk.find(kAdobe), 16);
  expect_pixels(cmyk, 8, std::vector<float>(64, 0), 2);
  std::string pale = ink_jpeg({200, 200, 200, 51});
  pale.erase(pale.find(kAdobe), 16);
  expect_pixels(pale, 8, std::vector<float>(64, luminance(200, 127, 127) * 204 / 255), 2);
}

TEST(Jpeg, MayHaveBytesBetweenItsSegments) {
  std::string file = ink_jpeg({100, 100, 100, 255});
  file.insert(file.find("\xFF\xC0"), "ab");
  expect_pixels(file, 8, std::vector<float>(64, 100), 2);
}

TEST(Gif, ShowsItsFirstFrame) {
  expect_pixels(gif(gif_frame(0, 1)), 2, {0, 255});
  expect_pixels(gif(gif_frame(2, 3)), 2, {0.299f * 255, 0.114f * 255});
  const std::string comment("!\xFE\3abc\0", 7), control("!\xF9\4\0\0\0\0\0", 8);
  expect_pixels(gif(comment + control + gif_frame(1, 0) + gif_frame(0, 1) + "no frame"), 2, {255, 0});
  expect_pixels(gif(std::string("!\xF9\4\0\0\0\2\0", 8) + gif_frame(2, 3)), 2, {0.299f * 255, 0.114f * 255});
  std::string own = gif_frame(0, 1);  // with a palette of its own, of white and black
  own.replace(9, 1, std::string("\x80\xFF\xFF\xFF\0\0\0", 7));
  expect_pixels(gif(own), 2, {255, 0});
  expect_refused(gif(""), "a GIF without a picture");
  const std::string whole = gif(gif_frame(0, 1));
  for (const std::size_t size : {16u, 26u, 36u, 39u})
    expect_refused(whole.substr(0, size), "a GIF that is cut short");
}

TEST(Gif, MayBeTransparent) {
  // The third colour stands for none.
  const std::string control("!\xF9\4\1\0\0\2\0", 8);
  expect_pixels(gif(control + gif_frame(0, 2)), 2, {0, 255});
  expect_pixels(gif(control + gif_frame(1, 2)), 2, {255, 0});
}

TEST(Webp, IsRead) {
  expect_pixels(webp(kWebpPixels), 2, {0, 255});
  expect_refused(webp(kWebpPixels.substr(0, 16)), "a WebP that is damaged");
  // Black on transparent black.
  const std::string clear("VP8L\x0F\0\0\0\x2F\1\0\0\x10\x0F\x10\x11\xF3\x1F\xA2\2\x11\xFD\x0F\0", 24);
  expect_pixels(webp(clear), 2, {255, 0});
}

TEST(Tiff, MayHaveAnyDepthInEitherOrderOfBytes) {
  for (const bool big : {false, true}) {
    SCOPED_TRACE(big);
    const auto of = [&](std::uint32_t bits) {
      return Tiff{.width = 2, .height = 1, .bits = bits, .big_endian = big};
    };
    expect_pixels(tiff(of(1), "\x40"), 2, {0, 255});
    expect_pixels(tiff(of(4), "\x0F"), 2, {0, 255});
    expect_pixels(tiff(of(8), std::string("\x14\xC8", 2)), 2, {20, 200});
    expect_pixels(tiff(of(16), number(20 * 257, 2, big) + number(200 * 257, 2, big)), 2, {20, 200});
    Tiff colours = of(8);
    colours.samples = 3;
    expect_pixels(tiff(colours, std::string("\xFF\0\0\0\0\xFF", 6)), 2, {0.299f * 255, 0.114f * 255});
  }
}

TEST(Tiff, MayHaveWhiteAsZeroAndTheLastBitFirst) {
  expect_pixels(tiff({.width = 3, .height = 1, .bits = 1, .white_is_zero = true}, "\x20"), 3, {255, 255, 0});
  expect_pixels(tiff({.width = 3, .height = 1, .bits = 1, .last_bit_first = true}, "\x04"), 3, {0, 0, 255});
  expect_pixels(
      tiff({.width = 3, .height = 1, .bits = 1, .white_is_zero = true, .last_bit_first = true}, "\x04"), 3,
      {255, 255, 0});
  expect_pixels(tiff({.width = 2, .height = 1, .bits = 8, .white_is_zero = true}, std::string("\0\xC8", 2)),
                2, {255, 55});
  expect_pixels(tiff({.width = 2, .height = 1, .bits = 4, .white_is_zero = true}, "\x0F"), 2, {255, 0});
  expect_pixels(
      tiff({.width = 2, .height = 1, .bits = 16, .white_is_zero = true}, std::string("\0\0\xFF\xFF", 4)), 2,
      {255, 0});
}

TEST(Tiff, IsTurnedUpright) {
  expect_pixels(tiff({.width = 2, .height = 1, .bits = 8, .orientation = 3}, std::string("\x14\xC8", 2)), 2,
                {200, 20});
  expect_pixels(tiff({.width = 2, .height = 1, .bits = 8, .orientation = 6}, std::string("\x14\xC8", 2)), 1,
                {20, 200});
}

TEST(Tiff, OfUnknownOrDamagedPixelsIsRefused) {
  const std::string whole = tiff({.width = 64, .height = 64, .bits = 8}, std::string(64 * 64, '\x55'));
  for (const std::size_t size : {std::size_t{16}, std::size_t{80}, whole.size() - 3000})
    expect_refused(whole.substr(0, size), "a TIFF that is damaged");
  expect_refused(tiff({.width = 2, .height = 1, .bits = 8, .compression = 34712}, "ab"),
                 "a TIFF that is damaged, or of a kind");
}

// The head alone tells, before anything of that size is asked for.
TEST(Picture, OfTooManyPixelsIsRefusedByItsHead) {
  const std::string found = "found one of 60000x60000", wide = number(60000, 4, true);
  expect_refused(tiff({.width = 60000, .height = 60000, .bits = 8}, "ab"), found);
  const std::string side = number(60000, 2);
  expect_refused(gif(std::string(",\0\0\0\0", 5) + side + side + std::string("\0\2\2\x44\x0A\0", 6)), found);
  const std::string largest("VP8 \x0A\0\0\0\x10\0\0\x9D\1\x2A\xFF\x3F\xFF\x3F", 18);  // of a WebP
  expect_refused(webp(largest), "found one of 16383x16383");
  const std::string png_head = "IHDR" + wide + wide + std::string("\x08\0\0\0\0", 5);
  const auto sum = crc32_z(0, reinterpret_cast<const Bytef*>(png_head.data()), png_head.size());
  expect_refused("\x89PNG\r\n\x1A\n" + number(13, 4, true) + png_head +
                     number(static_cast<std::uint32_t>(sum), 4, true) +
                     std::string("\0\0\0\0IDAT\x35\xAF\x06\x1E", 12),
                 found);
  std::string jpeg = ink_jpeg({0, 0, 0, 0});
  jpeg.replace(jpeg.find("\xFF\xC0") + 5, 4, wide.substr(2) + wide.substr(2));
  expect_refused(jpeg, found);
  expect_refused("BM" + number(0, 12) + number(40, 4) + number(60000, 4) + number(60000, 4) + number(1, 2) +
                     number(1, 2) + number(0, 24) + std::string(8, '\0'),
                 found);
  expect_refused("P1 60000 60000\n", found);
}

}  // namespace
}  // namespace softwarp
