// Pictures of every kind that people bring, and drawings on paper that was photographed.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>

#include "host/data/framing.h"
#include "tests/data/drawn_images.h"
#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

Bytes bytes_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

std::string number(std::uint32_t value, int size) {
  std::string text;
  for (int i = 0; i < size; ++i) text += static_cast<char>(i < 4 ? value >> 8 * i & 255 : 0);
  return text;
}

void expect_pixels(const std::string& file, std::int64_t width, const std::vector<float>& pixels) {
  const Image image = decode_image(bytes_of(file), "picture");
  EXPECT_EQ(image.width, width);
  ASSERT_EQ(image.pixels.size(), pixels.size());
  for (std::size_t i = 0; i < pixels.size(); ++i) EXPECT_NEAR(image.pixels[i], pixels[i], 0.6f) << i;
}

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
  expect_error([] { std::ignore = decode_image(bytes_of("P2 2 1 9 10 1"), "p"); },
               {"10 above the largest value, 9"});
}

std::string bmp(const std::string& header, const std::string& rest, std::size_t extra) {
  const auto offset = static_cast<std::uint32_t>(14 + header.size() + extra);
  return "BM" + number(0, 8) + number(offset, 4) + header + rest;
}
std::string info(std::uint32_t width, std::uint32_t height, std::uint32_t bits, std::uint32_t compression) {
  return number(40, 4) + number(width, 4) + number(height, 4) + number(1, 2) + number(bits, 2) +
         number(compression, 4) + number(0, 12) + number(2, 4) + number(0, 4);
}
const std::string kTwoColours = number(0, 4) + number(0xFFFFFF, 4);

TEST(Bmp, MayHaveAnyDepth) {
  expect_pixels(bmp(info(2, 1, 1, 0), kTwoColours + number(0x40, 4), 8), 2, {0, 255});
  expect_pixels(bmp(info(2, 1, 4, 0), kTwoColours + number(0x01, 4), 8), 2, {0, 255});
  expect_pixels(bmp(info(2, 1, 16, 0), number(0x7FFF0000, 4), 0), 2, {0, 255});
  expect_pixels(bmp(info(2, 1, 32, 0), number(0, 4) + number(0xFFFFFF, 4), 0), 2, {0, 255});
  const std::string masks565 = number(0xF800, 4) + number(0x7E0, 4) + number(0x1F, 4);
  expect_pixels(bmp(info(2, 1, 16, 3), masks565 + number(0xFFFF0000, 4), 12), 2, {0, 255});
  const std::string core = number(12, 4) + number(1, 2) + number(2, 2) + number(1, 2) + number(24, 2);
  expect_pixels(bmp(core, number(0, 4) + number(0xFFFFFF, 4), 0), 1, {255, 0});  // from the bottom up
}

TEST(Bmp, MayBeRunLengthEncoded) {
  const std::string runs("\x02\x01\x01\x00\x00\x00\x00\x03\x00\x01\x00\x00\x00\x01", 14);
  expect_pixels(bmp(info(3, 2, 8, 1), kTwoColours + runs, 8), 3, {0, 255, 0, 255, 255, 0});
  const std::string nibbles("\x03\x10\x00\x01", 4);
  expect_pixels(bmp(info(3, 1, 4, 2), kTwoColours + nibbles, 8), 3, {255, 0, 255});
  expect_error(
      [&] {
        std::ignore = decode_image(bytes_of(bmp(info(3, 2, 8, 1), kTwoColours + runs.substr(0, 9), 8)), "b");
      },
      {"a BMP that is cut short"});
  expect_error([] { std::ignore = decode_image(bytes_of(bmp(info(3, 2, 24, 4), "", 0)), "b"); },
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

TEST(FramedImage, CountsWhatStandsSideBySide) {
  Image two = seven();
  for (std::int64_t y = 120; y < 280; ++y)
    for (std::int64_t x = 230; x < 245; ++x) two.pixels[static_cast<std::size_t>(y * 300 + x)] = 50;
  const FramedImage framed = frame_image(two, kMnistFraming, 28, 28, 255, "two");
  EXPECT_EQ(framed.figures, 2);
  EXPECT_NE(describe(two, kMnistFraming, framed).find("300x400"), std::string::npos);
  EXPECT_EQ(frame_image(seven(), kMnistFraming, 28, 28, 255, "one").figures, 1);
}

TEST(FramedImage, StretchesAMask) {
  Image mask = seven();
  for (float& pixel : mask.pixels) pixel = pixel > 100 ? 1 : 0;
  const FramedImage framed = frame_image(mask, kMnistFraming, 28, 28, 255, "mask");
  EXPECT_TRUE(framed.is_stretched());
  EXPECT_EQ(framed.pixels, frame_image(seven(), kMnistFraming, 28, 28, 255, "seven").pixels);
}

}  // namespace
}  // namespace softwarp
