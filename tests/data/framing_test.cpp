// Pictures from files, and what a network gets to see of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>

#include "host/data/framing.h"
#include "tests/data/drawn_images.h"

namespace softwarp {
namespace {

using Shade = std::function<std::vector<int>(int y, int x)>;

Bytes encode(ImageKind kind, int height, int width, int channels, const Shade& shade) {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const int value : shade(y, x)) pixels.push_back(static_cast<std::uint8_t>(value));
  return picture_file(kind, height, width, channels, pixels);
}

TEST(ImageFile, ReadsWhatWasDrawnInEachFormat) {
  const Shade ramp = [](int y, int x) { return std::vector{40 * y + 10 * x}; };
  for (const ImageKind kind : {ImageKind::png, ImageKind::bmp, ImageKind::jpeg, ImageKind::pgm}) {
    SCOPED_TRACE(static_cast<int>(kind));
    const Image image = decode_image(encode(kind, 5, 4, 1, ramp), "ramp");
    ASSERT_EQ(image.height, 5);
    ASSERT_EQ(image.width, 4);
    for (int y = 0; y < 5; ++y)
      for (int x = 0; x < 4; ++x) EXPECT_NEAR(image.at(y, x), ramp(y, x)[0], kind == ImageKind::jpeg ? 3 : 0);
  }
}

TEST(ImageFile, MakesColoursGrey) {
  const Shade colours = [](int, int x) {
    return std::vector{x == 0 ? 255 : 0, x == 1 ? 255 : 0, x == 2 ? 255 : 0};
  };
  for (const ImageKind kind : {ImageKind::png, ImageKind::bmp}) {
    const Image image = decode_image(encode(kind, 1, 3, 3, colours), "colours");
    EXPECT_NEAR(image.at(0, 0), 255 * 0.299, 1e-3);
    EXPECT_NEAR(image.at(0, 1), 255 * 0.587, 1e-3);
    EXPECT_NEAR(image.at(0, 2), 255 * 0.114, 1e-3);
  }
}

TEST(ImageFile, SeesWhatIsDrawnOnNothing) {
  for (const int ink : {0, 255}) {
    const Bytes file =
        encode(ImageKind::png, 2, 2, 2, [&](int y, int x) { return std::vector{ink, y == x ? 255 : 0}; });
    const Image image = decode_image(file, "transparent");
    EXPECT_EQ(image.at(0, 0), ink);
    EXPECT_EQ(image.at(0, 1), 255 - ink);
  }
}

TEST(ImageFile, RefusesWhatIsNone) {
  for (const auto& [kind, found] : {std::pair{ImageKind::png, "a damaged PNG ("},
                                    {ImageKind::jpeg, "a damaged JPEG ("},
                                    {ImageKind::bmp, "a BMP that is cut short"},
                                    {ImageKind::pgm, "a picture of Netpbm's that is cut short"}}) {
    Bytes half = encode(kind, 40, 40, 1, [](int y, int x) { return std::vector{(y * x) % 251}; });
    half.resize(half.size() / 2);
    expect_error([&] { std::ignore = decode_image(half, "half"); },
                 {"half: expected a PNG, JPEG, BMP, PGM, GIF, WebP or TIFF picture of at most 64 million "
                  "pixels, found ",
                  found});
  }
  const std::string huge = "P5 16000 16000 255\n", text = "no picture";
  expect_error([&] { std::ignore = decode_image(Bytes(huge.begin(), huge.end()), "huge"); },
               {"found one of 16000x16000"});
  expect_error([&] { std::ignore = decode_image(Bytes(text.begin(), text.end()), "text"); },
               {"something else"});
  expect_error([&] { std::ignore = decode_image({}, "empty"); }, {"an empty file"});
  const TemporaryDirectory directory;
  expect_error([&] { std::ignore = read_image(directory.path() / "none.png"); },
               {"none.png: expected a file"});
}

// A filled rectangle of `ink` on `paper`.
Image rectangle(std::int64_t height, std::int64_t width, float paper, float ink, std::int64_t top,
                std::int64_t left, std::int64_t tall, std::int64_t wide) {
  Image image{height, width, std::vector<float>(static_cast<std::size_t>(height * width), paper)};
  for (std::int64_t y = top; y < top + tall; ++y)
    for (std::int64_t x = left; x < left + wide; ++x)
      image.pixels[static_cast<std::size_t>(y * width + x)] = ink;
  return image;
}

struct Spot {
  double y = 0, x = 0, mass = 0;
  std::int64_t rows = 0, cols = 0;  // of its box
};
Spot spot_of(const FramedImage& framed, std::int64_t height, std::int64_t width) {
  Spot spot;
  std::vector<bool> row(static_cast<std::size_t>(height)), col(static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < framed.pixels.size(); ++i) {
    const auto y = i / static_cast<std::size_t>(width), x = i % static_cast<std::size_t>(width);
    const double ink = framed.pixels[i];
    spot.mass += ink, spot.y += ink * (double(y) + 0.5), spot.x += ink * (double(x) + 0.5);
    if (ink > 0) row[y] = col[x] = true;
  }
  spot.y /= spot.mass, spot.x /= spot.mass;
  spot.rows = std::count(row.begin(), row.end(), true);
  spot.cols = std::count(col.begin(), col.end(), true);
  return spot;
}

TEST(FramedImage, IsScaledAndCentredAsMnistWas) {
  for (const bool dark : {true, false}) {
    // 200 by 60 of ink in a corner of a grey page.
    const Image image = rectangle(300, 400, dark ? 180.0f : 20.0f, dark ? 30.0f : 200.0f, 90, 330, 200, 60);
    const FramedImage framed = frame_image(image, kMnistFraming, 28, 28, 255, "page");
    EXPECT_EQ(framed.inverted, dark);
    EXPECT_TRUE(framed.scaled);
    const Spot spot = spot_of(framed, 28, 28);
    EXPECT_NEAR(spot.y, 14, 0.02);
    EXPECT_NEAR(spot.x, 14, 0.02);
    EXPECT_NEAR(spot.mass / 255, 20 * 6, 2);
    EXPECT_NEAR(static_cast<double>(spot.rows), 20, 2);  // a pixel of soft edge on each side
    EXPECT_NEAR(static_cast<double>(spot.cols), 6, 2);
    EXPECT_EQ(framed.pixels[14 * 28 + 14], 255);
  }
}

TEST(FramedImage, IsCentredByMassNotByItsBox) {
  Image image = rectangle(100, 100, 0, 255, 20, 20, 10, 60);  // a T
  for (std::int64_t y = 30; y < 60; ++y) image.pixels[static_cast<std::size_t>(y * 100 + 50)] = 255;
  const Spot by_mass = spot_of(frame_image(image, kMnistFraming, 28, 28, 255, "T"), 28, 28);
  EXPECT_NEAR(by_mass.y, 14, 0.1);
  const Spot by_box = spot_of(frame_image(image, kFillFraming, 28, 28, 255, "T"), 28, 28);
  EXPECT_LT(by_box.y, 9);
  EXPECT_EQ(by_box.cols, 28);
}

// Paper's grain, less than an eighth of the ink, changes nothing, wherever it lies.
TEST(FramedImage, IsOfTheInkAlone) {
  for (const Framing framing : {kMnistFraming, kFillFraming})
    for (const bool dark : {true, false}) {
      const float paper = dark ? 250.0f : 10.0f, ink = dark ? 10.0f : 250.0f, grain = dark ? 225.0f : 35.0f;
      const Image clean = rectangle(60, 50, paper, ink, 20, 15, 24, 18);
      Image grainy = clean;
      for (std::size_t i = 7; i < grainy.pixels.size(); i += 13)
        if (grainy.pixels[i] == paper) grainy.pixels[i] = grain;
      EXPECT_EQ(frame_image(grainy, framing, 28, 28, 255, "grainy").pixels,
                frame_image(clean, framing, 28, 28, 255, "clean").pixels);
    }
}

TEST(FramedImage, FillsTheFrameOfOtherDataSets) {
  const Image image = rectangle(64, 64, 255, 0, 5, 9, 40, 40);
  const FramedImage framed = frame_image(image, kFillFraming, 8, 8, 16, "square");
  EXPECT_TRUE(framed.inverted);
  EXPECT_EQ(spot_of(framed, 8, 8).rows, 8);
  EXPECT_EQ(framed.pixels[8 * 4 + 4], 16);
}

TEST(FramedImage, OfTheFramesSizeIsLeftWhereItLies) {
  const Image dark = rectangle(28, 28, 0, 200, 2, 3, 5, 6), light = rectangle(28, 28, 255, 55, 2, 3, 5, 6);
  const FramedImage as_is = frame_image(dark, kMnistFraming, 28, 28, 255, "dark");
  EXPECT_FALSE(as_is.scaled || as_is.inverted);
  for (std::size_t i = 0; i < as_is.pixels.size(); ++i) ASSERT_EQ(as_is.pixels[i], dark.pixels[i]);
  const FramedImage inverted = frame_image(light, kMnistFraming, 28, 28, 255, "light");
  EXPECT_TRUE(inverted.inverted);
  EXPECT_EQ(inverted.pixels, as_is.pixels);
}

TEST(FramedImage, OfUnknownDataIsOnlyScaled) {
  const Image image = rectangle(40, 40, 255, 0, 0, 0, 20, 40);
  const FramedImage framed = frame_image(image, Framing{}, 4, 4, 255, "half");
  EXPECT_FALSE(framed.inverted);
  EXPECT_EQ(framed.pixels[1], 0);
  EXPECT_EQ(framed.pixels[14], 255);
  const Image flat = rectangle(10, 10, 9, 9, 0, 0, 1, 1);
  EXPECT_EQ(frame_image(flat, Framing{}, 5, 5, 255, "flat").pixels[0], 9);
}

TEST(FramedImage, NeedsInk) {
  const Image flat = rectangle(30, 40, 90, 95, 1, 1, 3, 3);
  expect_error([&] { frame_image(flat, kMnistFraming, 28, 28, 255, "flat.png"); },
               {"flat.png: expected something drawn on a background, found 40x30 pixels of shades 90 to 95 "
                "of 255, too faint"});
}

// `count` images of one drawn rectangle each, at a place of its own.
struct Place {
  std::int64_t top, left, tall, wide;
};
template <class Draw>
Dataset drawn(std::int64_t count, std::int64_t side, int paper, int ink, Draw draw) {
  Dataset data;
  data.count = count, data.height = data.width = side;
  for (std::int64_t i = 0; i < count; ++i) {
    const Place p = draw(i);
    const Image image = rectangle(side, side, static_cast<float>(paper), static_cast<float>(ink), p.top,
                                  p.left, p.tall, p.wide);
    for (const float pixel : image.pixels) data.images.push_back(static_cast<std::uint8_t>(pixel));
  }
  return data;
}

TEST(MeasuredFraming, IsThatOfTheSetsThatAreKnown) {
  EXPECT_EQ(load_data("mnist").train.framing, (Framing{Framing::Kind::mass, 20.0 / 28}));
  EXPECT_EQ(load_data("mnist").test.framing, (Framing{Framing::Kind::mass, 20.0 / 28}));
  EXPECT_EQ(load_data("digits").train.framing, (Framing{Framing::Kind::box, 1}));
  EXPECT_EQ(load_data("digits").test.framing, (Framing{Framing::Kind::box, 1}));
  EXPECT_EQ(head(load_data("mnist").train, 5).framing, (Framing{Framing::Kind::mass, 20.0 / 28}));
}

// As EMNIST's are: of 24 pixels, the middle of their box in the middle.
TEST(MeasuredFraming, IsOfTheBoxWhereThatIsCentred) {
  const auto bar = [](std::int64_t i) { return Place{2, 14 - (i % 4) - 1, 24, 2 * (i % 4) + 2}; };
  for (const auto& [paper, ink] : {std::pair{0, 200}, {255, 40}}) {
    Dataset data = drawn(20, 28, paper, ink, bar);
    // A foot moves the mass, and makes the box no longer.
    for (std::int64_t i = 0; i < data.count; ++i)
      for (std::int64_t x = 4; x < 24; ++x)
        for (std::int64_t y = 20; y < 26; ++y)
          data.images[static_cast<std::size_t>((i * 28 + y) * 28 + x)] = static_cast<std::uint8_t>(ink);
    EXPECT_EQ(measure_framing(data), (Framing{Framing::Kind::box, 24.0 / 28, paper == 255}));
  }
}

TEST(MeasuredFraming, IsNoneWhereImagesLieInNoOneWay) {
  const auto wandering = [](std::int64_t i) { return Place{i % 9, i % 7, 20, 8}; };
  const auto of_any_size = [](std::int64_t i) {
    return Place{14 - i % 12, 14 - i % 12, 2 * (i % 12), 2 * (i % 12)};
  };
  const auto centred = [](std::int64_t) { return Place{4, 10, 20, 8}; };
  EXPECT_EQ(measure_framing(drawn(40, 28, 0, 255, wandering)), Framing{});
  EXPECT_EQ(measure_framing(drawn(40, 28, 0, 255, of_any_size)), Framing{});
  EXPECT_EQ(measure_framing(drawn(40, 28, 120, 255, centred)), Framing{});  // grey is no background
  EXPECT_EQ(measure_framing(drawn(5, 28, 0, 255, centred)), Framing{});     // too few to tell
  EXPECT_EQ(measure_framing(drawn(40, 28, 0, 0, centred)), Framing{});
  EXPECT_NE(measure_framing(drawn(40, 28, 0, 255, centred)), Framing{});
}

TEST(FramedImage, IsDarkOnLightWhereTheDataAre) {
  const Framing negative{Framing::Kind::mass, 20.0 / 28, true};
  for (const bool dark : {true, false})
    for (const std::int64_t size : {28, 60}) {
      const Image image = rectangle(size, size, dark ? 250 : 0, dark ? 0 : 250, 9, 9, 9, 9);
      const FramedImage plain = frame_image(image, kMnistFraming, 28, 28, 255, "square");
      const FramedImage framed = frame_image(image, negative, 28, 28, 255, "square");
      EXPECT_EQ(framed.inverted, !dark);
      EXPECT_EQ(plain.inverted, dark);
      for (std::size_t i = 0; i < framed.pixels.size(); ++i)
        ASSERT_NEAR(framed.pixels[i], 255 - plain.pixels[i], size == 28 ? 5 : 1);
    }
}

}  // namespace
}  // namespace softwarp
