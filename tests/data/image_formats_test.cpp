// Pictures of every kind that people bring, and drawings on paper that was photographed.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>

#include "host/data/framing.h"
#include "tests/data/drawn_images.h"
#include "tests/data/picture_bytes.h"
#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

TEST(Netpbm, MayHaveAnyLargestValue) {
  for (const int most : {1, 2, 7, 63, 100, 127, 200, 255, 1000, 4095, 65535}) {
    SCOPED_TRACE(most);
    const std::string head = "2 # wide\n1\n" + std::to_string(most) + "\n";
    expect_pixels("P2 " + head + "0 " + std::to_string(most), 2, {0, 255});
    std::string raw;
    for (const int value : {0, most}) {
      if (most > 255) raw += static_cast<char>(value >> 8);
      raw += static_cast<char>(value & 255);
    }
    expect_pixels("P5 " + head + raw, 2, {0, 255});
  }
  expect_pixels("P1\n3 1\n0 11", 3, {255, 0, 0});
  expect_pixels("P4\n3 1\n\x60", 3, {255, 0, 0});
  expect_pixels("P3 1 1 10 10 10 10", 1, {255});
  expect_pixels("P3 2 1 4 4 0 0 0 0 4", 2, {0.299f * 255, 0.114f * 255});
  expect_pixels(std::string("P6 2 1 255\n\xFF\0\0\0\0\xFF", 17), 2, {0.299f * 255, 0.114f * 255});
  expect_pixels("P4 9 2\n" + std::string("\xFF\0\0\x80", 4), 9,
                {0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0});
  expect_error([] { std::ignore = decode_image(bytes_of("P2 2 1 9 10 1"), "p"); },
               {"10 above the largest value, 9"});
}

TEST(Netpbm, MayHaveCommentsAndShadesBetween) {
  expect_pixels("P2#a\n#b\r2# c\n 1 # d\n#e\n 4#f\n1#g\n3\n", 2, {64, 191});
  expect_pixels("P1\n# 0 1\n2 1\n# 1\n1#0\n0\n", 2, {0, 255});
  expect_pixels("P5\n# by a scanner\n2 1\n# 255\n100\n" + std::string("\x14\x46", 2), 2, {51, 178.5f});
  expect_pixels("P5 2 1 1023\n" + number(511, 2, true) + number(1023, 2, true), 2, {127, 255});
  expect_pixels("P5 2 1 256\n" + number(128, 2, true) + number(256, 2, true), 2, {128, 255});
  expect_pixels("P5 2 1 255\n#\n", 2, {'#', '\n'});  // these are pixels
  expect_pixels("P5\r\n2 1\r\n255\r\n\x14\x46", 2, {20, 70});
}

TEST(Netpbm, WithoutAllItsPixelsIsRefused) {
  for (const char* file : {"P5 2 1 255\n1", "P2 2 1 255 1", "P1 2 1 1", "P6 1 1 255\n12", "P5 2 1 1023\n123",
                           "P4 9 1\n1", "P2 2 # 1"})
    expect_error([&] { std::ignore = decode_image(bytes_of(file), "p"); },
                 {"a picture of Netpbm's that is cut short"});
  for (const char* file : {"P2 2 1 0 1 1", "P2 2 1 65536 1 1", "P5 1 1 99999999999999999999\n1"})
    expect_error([&] { std::ignore = decode_image(bytes_of(file), "p"); }, {"with a largest value of"});
  for (const char* file : {"P2 -2 1 9 1 1", "P2 2 1 9 1 x", "P5 a"})
    expect_error([&] { std::ignore = decode_image(bytes_of(file), "p"); }, {"no number where one should be"});
  expect_error([] { std::ignore = decode_image(bytes_of("P5 0 1 255\n"), "p"); }, {"one of 0x1"});
}

const std::string kTwoColours = number(0, 4) + number(0xFFFFFF, 4);

TEST(Bmp, MayHaveAnyDepth) {
  expect_pixels(bmp(bmp_info(2, 1, 1, 0), kTwoColours + number(0x40, 4), 8), 2, {0, 255});
  expect_pixels(bmp(bmp_info(2, 1, 4, 0), kTwoColours + number(0x01, 4), 8), 2, {0, 255});
  expect_pixels(bmp(bmp_info(2, 1, 16, 0), number(0x7FFF0000, 4), 0), 2, {0, 255});
  expect_pixels(bmp(bmp_info(2, 1, 32, 0), number(0, 4) + number(0xFFFFFF, 4), 0), 2, {0, 255});
  const std::string masks565 = number(0xF800, 4) + number(0x7E0, 4) + number(0x1F, 4);
  expect_pixels(bmp(bmp_info(2, 1, 16, 3), masks565 + number(0xFFFF0000, 4), 12), 2, {0, 255});
  const std::string core = number(12, 4) + number(1, 2) + number(2, 2) + number(1, 2) + number(24, 2);
  expect_pixels(bmp(core, number(0, 4) + number(0xFFFFFF, 4), 0), 1, {255, 0});  // from the bottom up
  const std::string small = number(12, 4) + number(2, 2) + number(1, 2) + number(1, 2) + number(1, 2);
  expect_pixels(bmp(small, number(0, 3) + number(0xFFFFFF, 3) + number(0x40, 4), 6), 2, {0, 255});
}

// The header's own words are those of 40 bytes; the longer ones go on with masks, or with nothing of use.
std::string with_bytes(std::string header, std::uint32_t bytes, const std::string& more = {}) {
  header.replace(0, 4, number(bytes, 4));
  header += more;
  header.resize(bytes, '\0');
  return header;
}

TEST(Bmp, MayHaveAnyHeader) {
  const std::string plain = bmp_info(2, 1, 32, 0), pixels = number(0xFF000000, 4) + number(0xFFFFFFFF, 4);
  for (const std::uint32_t bytes : {16u, 40u, 52u, 56u, 64u, 108u, 124u})  // the 16 and 64 of OS/2 2
    expect_pixels(
        bmp(bytes < 40 ? number(bytes, 4) + plain.substr(4, 12) : with_bytes(plain, bytes), pixels, 0), 2,
        {0, 255});
  // Red, green, blue and opacity from the lowest byte up, behind the words or, with 40 bytes, behind the
  // header.
  const std::string masks = number(0xFF, 4) + number(0xFF00, 4) + number(0xFF0000, 4),
                    opacity = number(0xFF000000, 4);
  const std::string red_blue = number(0xFF0000FF, 4) + number(0xFFFF0000, 4);
  const std::vector<float> greys{0.299f * 255, 0.114f * 255};
  for (const std::uint32_t bytes : {52u, 56u, 108u, 124u})
    expect_pixels(
        bmp(with_bytes(bmp_info(2, 1, 32, 3), bytes, masks + (bytes > 52 ? opacity : "")), red_blue, 0), 2,
        greys);
  expect_pixels(bmp(bmp_info(2, 1, 32, 3), masks + red_blue, 12), 2, greys);
  expect_pixels(bmp(bmp_info(2, 1, 32, 6), masks + opacity + red_blue, 16), 2, greys);
  expect_error(
      [&] { std::ignore = decode_image(bytes_of(bmp(number(15, 4) + std::string(36, '\0'), "", 0)), "b"); },
      {"a damaged BMP (a header of 15 bytes)"});
}

TEST(Bmp, MayBeTransparent) {
  const std::string masks = number(0xFF0000, 4) + number(0xFF00, 4) + number(0xFF, 4) + number(0xFF000000, 4);
  const auto of = [&](std::uint32_t first, std::uint32_t second) {
    return bmp(with_bytes(bmp_info(2, 1, 32, 3), 124, masks), number(first, 4) + number(second, 4), 0);
  };
  expect_pixels(of(0xFF000000, 0x00000000), 2, {0, 255});
  expect_pixels(of(0xFFFFFFFF, 0x00FFFFFF), 2, {255, 0});
  expect_pixels(of(0x00000000, 0x00FFFFFF), 2, {0, 255});  // nowhere set
}

TEST(Bmp, MayBeginAtTheTop) {
  const auto minus_two = static_cast<std::uint32_t>(-2);
  expect_pixels(bmp(bmp_info(1, 2, 24, 0), number(0, 4) + number(0xFFFFFF, 4), 0), 1, {255, 0});
  expect_pixels(bmp(bmp_info(1, minus_two, 24, 0), number(0, 4) + number(0xFFFFFF, 4), 0), 1, {0, 255});
}

TEST(Bmp, OfASmallPaletteIsRead) {
  std::string palette;
  for (const int grey : {0, 85, 170, 255}) palette += number(static_cast<std::uint32_t>(grey) * 0x010101, 4);
  expect_pixels(
      bmp(with_bytes(bmp_info(4, 1, 2, 0).replace(32, 4, number(4, 4)), 40), palette + number(0x1B, 4), 16),
      4, {0, 85, 170, 255});
  expect_pixels(bmp(bmp_info(4, 1, 8, 0).replace(32, 4, number(4, 4)), palette + number(0x03020100, 4), 16),
                4, {0, 85, 170, 255});
}

TEST(Bmp, MayBeRunLengthEncoded) {
  const std::string runs("\x02\x01\x01\x00\x00\x00\x00\x03\x00\x01\x00\x00\x00\x01", 14);
  expect_pixels(bmp(bmp_info(3, 2, 8, 1), kTwoColours + runs, 8), 3, {0, 255, 0, 255, 255, 0});
  // A run of 1, a step of one right and one up, and two pixels as they are.
  const std::string steps("\x01\x01\x00\x02\x01\x01\x01\x01\x00\x01", 10);
  expect_pixels(bmp(bmp_info(3, 2, 8, 1), kTwoColours + steps, 8), 3, {0, 0, 255, 255, 0, 0});
  const std::string nibbles("\x03\x10\x00\x01", 4), literal("\x00\x05\x10\x11\x00\x00\x00\x01", 8);
  expect_pixels(bmp(bmp_info(5, 1, 4, 2), kTwoColours + literal, 8), 5, {255, 0, 255, 255, 0});
  expect_pixels(bmp(bmp_info(3, 1, 4, 2), kTwoColours + nibbles, 8), 3, {255, 0, 255});
  // Pixels outside of a run fill words of 16 bits.
  const std::string padded8("\0\3\0\1\0\0\2\1\0\1", 10), padded4("\0\5\x10\x10\x10\0\2\x11\0\1", 10);
  expect_pixels(bmp(bmp_info(5, 1, 8, 1), kTwoColours + padded8, 8), 5, {0, 255, 0, 255, 255});
  expect_pixels(bmp(bmp_info(7, 1, 4, 2), kTwoColours + padded4, 8), 7, {255, 0, 255, 0, 255, 255, 255});
  expect_error(
      [&] {
        std::ignore =
            decode_image(bytes_of(bmp(bmp_info(3, 2, 8, 1), kTwoColours + runs.substr(0, 9), 8)), "b");
      },
      {"a BMP that is cut short"});
  expect_error([] { std::ignore = decode_image(bytes_of(bmp(bmp_info(3, 2, 24, 4), "", 0)), "b"); },
               {"a BMP of compression 4 and 24 bits, which is not read"});
}

TEST(Picture, OfAnotherFormatIsNamed) {
  expect_error(
      [] {
        std::ignore = decode_image(bytes_of(std::string("\0\0\0\x18"
                                                        "ftypheic",
                                                        12)),
                                   "p");
      },
      {"a HEIC picture"});
  expect_error([] { std::ignore = decode_image(bytes_of("%PDF-1.4"), "p"); }, {"a PDF"});
}

// A 7 of dark strokes on a page of 400 by 300.
Image seven() {
  Image image{400, 300, {}};
  for (int y = 0; y < 400; ++y)
    for (int x = 0; x < 300; ++x) {
      const bool bar = y > 120 && y < 136 && x > 100 && x < 200;
      const bool leg = y >= 136 && y < 280 && std::abs(x - (195 - 0.35 * (y - 130))) < 8;
      image.pixels.push_back(bar || leg ? 50.0f : 210.0f);
    }
  return image;
}

double difference(const FramedImage& a, const FramedImage& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

TEST(FramedImage, OfAPhotographIsThatOfTheDrawing) {
  const FramedImage clean = frame_image(seven(), kMnistFraming, 28, 28, 255, "clean");
  EXPECT_FALSE(clean.uneven);
  for (const double shadow : {0.2, 0.45}) {
    Image photograph = seven();
    std::uint32_t state = 1;
    for (std::int64_t y = 0; y < 400; ++y)
      for (std::int64_t x = 0; x < 300; ++x) {
        float& pixel = photograph.pixels[static_cast<std::size_t>(y * 300 + x)];
        state = state * 1664525 + 1013904223;
        if (y % 40 < 2 && pixel > 100) pixel -= 30;  // ruled paper
        const double light = 1 - shadow / (1 + std::exp(-(static_cast<double>(x + y) - 350) / 30));
        pixel = static_cast<float>(pixel * light + (state >> 24) / 12.0 - 10);
      }
    const FramedImage framed = frame_image(photograph, kMnistFraming, 28, 28, 255, "photograph");
    EXPECT_TRUE(framed.uneven);
    EXPECT_TRUE(framed.inverted);
    EXPECT_LT(difference(framed, clean), 8) << shadow;
  }
}

// Neither a table that shows beside the paper, nor marks far away, nor a speck close by.
TEST(FramedImage, OfAPhotographIsItsDrawingAlone) {
  const FramedImage clean = frame_image(seven(), kMnistFraming, 28, 28, 255, "clean");
  Image photograph = seven();
  const auto darken = [&](std::int64_t top, std::int64_t bottom, std::int64_t left, std::int64_t right) {
    for (std::int64_t y = top; y < bottom; ++y)
      for (std::int64_t x = left; x < right; ++x)
        photograph.pixels[static_cast<std::size_t>(y * 300 + x)] = 40;
  };
  darken(0, 400, 285, 300);  // a table
  darken(350, 370, 20, 40), darken(20, 40, 40, 60), darken(200, 203, 220, 223);
  for (std::int64_t x = 0; x < 285; ++x) photograph.pixels[static_cast<std::size_t>(x)] = 180;  // a shadow
  const FramedImage framed = frame_image(photograph, kMnistFraming, 28, 28, 255, "photograph");
  EXPECT_TRUE(framed.uneven);
  EXPECT_EQ(framed.figures, 1);
  EXPECT_LT(difference(framed, clean), 8);
}

TEST(FramedImage, CountsWhatStandsSideBySide) {
  Image two = seven();
  for (std::int64_t y = 120; y < 280; ++y)
    for (std::int64_t x = 230; x < 245; ++x) two.pixels[static_cast<std::size_t>(y * 300 + x)] = 50;
  const FramedImage framed = frame_image(two, kMnistFraming, 28, 28, 255, "two");
  EXPECT_EQ(framed.figures, 2);
  EXPECT_NE(describe(two, kMnistFraming, framed).find("300x400"), std::string::npos);
  EXPECT_EQ(frame_image(seven(), kMnistFraming, 28, 28, 255, "one").figures, 1);
  const auto figures_of = [](const auto& is_ink) {
    Image image{400, 300, {}};
    for (int y = 0; y < 400; ++y)
      for (int x = 0; x < 300; ++x) image.pixels.push_back(is_ink(y, x) ? 50.0f : 210.0f);
    return frame_image(image, kMnistFraming, 28, 28, 255, "pieces").figures;
  };
  const auto bar = [](int y, int x) { return y > 100 && y < 280 && x > 100 && x < 130; };
  const auto dot = [](int y, int x) { return y > 260 && y < 280 && x > 160 && x < 180; };
  const auto below = [](int y, int x) { return y > 290 && y < 390 && x > 110 && x < 200; };
  EXPECT_EQ(figures_of([&](int y, int x) { return bar(y, x) || dot(y, x); }), 1);
  EXPECT_EQ(figures_of([&](int y, int x) { return bar(y, x) || below(y, x); }), 1);
}

TEST(FramedImage, StretchesAMask) {
  Image mask = seven();
  for (float& pixel : mask.pixels) pixel = pixel > 100 ? 1 : 0;
  const FramedImage framed = frame_image(mask, kMnistFraming, 28, 28, 255, "mask");
  EXPECT_TRUE(framed.is_stretched());
  EXPECT_EQ(framed.pixels, frame_image(seven(), kMnistFraming, 28, 28, 255, "seven").pixels);
  const Image small{1, 4, {0, 0, 3, 15}};  // of the frame's size
  EXPECT_EQ(frame_image(small, kMnistFraming, 1, 4, 255, "small").pixels, (Bytes{0, 0, 51, 255}));
}

}  // namespace
}  // namespace softwarp
