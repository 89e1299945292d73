#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace softwarp {

// A picture in grey: 0 black to 255 white, row by row.
struct Picture {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<float> pixels;

  float at(std::int64_t y, std::int64_t x) const { return pixels[static_cast<std::size_t>(y * width + x)]; }
};

// PNG, JPEG, BMP, PGM or PPM, of at most 64 million pixels; colours become their luminance, and what is
// transparent the background on which the rest is seen best. Throws Error naming the file (`name`), what was
// expected and what was found.
[[nodiscard]] Picture read_picture(const std::filesystem::path& path);
[[nodiscard]] Picture decode_picture(std::span<const std::uint8_t> bytes, const std::string& name);

// How a data set's images were made of pictures.
enum class Framing {
  mnist,  // the ink's box scaled to 20/28 of the frame, its centre of mass in the frame's centre
  fill,   // the ink's box scaled to the frame and centred: the 8x8 digits, Fashion-MNIST
  whole   // unknown: the whole picture scaled to the frame and centred, light and dark as they are
};
[[nodiscard]] Framing framing_of(const std::string& data_name);

// A picture as an image of a data set.
struct FramedPicture {
  std::vector<std::uint8_t> pixels;  // [height, width], 0..max_pixel
  bool inverted = false;             // it was dark on light
  bool scaled = false;               // false: it had the frame's size, and was left where it lay
};

// Throws Error where there is no ink to frame, only one shade.
FramedPicture frame_picture(const Picture& picture, Framing framing, std::int64_t height, std::int64_t width,
                            int max_pixel, const std::string& name);

// The steps taken, for people: "280x280, dark on light: inverted; scaled to ...".
[[nodiscard]] std::string describe(const Picture& picture, Framing framing, const FramedPicture& framed);

}  // namespace softwarp
