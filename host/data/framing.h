#pragma once

#include <softwarp/dataset.h>

#include <cstdint>
#include <string>
#include <vector>

#include "host/io/image.h"

namespace softwarp {

// How most of the data's images lie in their frames, as a sample of them shows; `whole` where they lie in no
// one way.
[[nodiscard]] Framing measure_framing(const Dataset& data);

// An image as an image of a data set.
struct FramedImage {
  std::vector<std::uint8_t> pixels;  // [height, width], 0..max_pixel
  bool inverted = false;             // light and dark were exchanged
  bool scaled = false;               // false: it had the frame's size, and was left where it lay
  bool uneven = false;               // it was drawn on a background of many shades, as in a photograph
  std::int64_t figures = 1;          // drawn side by side
  std::int64_t side = 0, frame = 0;  // pixels that the drawing was scaled to, and of the frame
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
