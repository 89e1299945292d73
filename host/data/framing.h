#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/io/image.h"

namespace softwarp {

// How a data set's images were made of images.
enum class Framing {
  mnist,  // the ink's box scaled to 20/28 of the frame, its centre of mass in the frame's centre
  fill,   // the ink's box scaled to the frame and centred: the 8x8 digits, Fashion-MNIST
  whole   // unknown: the whole image scaled to the frame and centred, light and dark as they are
};
[[nodiscard]] Framing framing_of(const std::string& data_name);

// An image as an image of a data set.
struct FramedImage {
  std::vector<std::uint8_t> pixels;  // [height, width], 0..max_pixel
  bool inverted = false;             // it was dark on light
  bool scaled = false;               // false: it had the frame's size, and was left where it lay
  bool uneven = false;               // it was drawn on a background of many shades, as in a photograph
  std::int64_t figures = 1;          // drawn side by side
  float largest = 255;               // the lightest shade, of 0 to 255

  // The picture's shades are a mask's or a small array's, and no eye could tell them apart.
  bool is_stretched() const { return largest <= 16; }
};

// Throws Error where there is no ink to frame, only one shade.
FramedImage frame_image(const Image& image, Framing framing, std::int64_t height, std::int64_t width,
                        int max_pixel, const std::string& name);

// The steps taken, for people: "280x280 (width x height), dark on light: inverted; scaled to ...".
[[nodiscard]] std::string describe(const Image& image, Framing framing, const FramedImage& framed);

}  // namespace softwarp
