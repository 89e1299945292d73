#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace softwarp {

// Labelled images, as stored: image i is pixels() bytes from images[i * pixels()], row by row, each
// 0..max_pixel; its label, 0..classes - 1, is labels[i].
struct Dataset {
  std::string name;
  std::vector<std::uint8_t> images;
  std::vector<std::uint8_t> labels;
  std::int64_t count = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  int classes = 0;
  int max_pixel = 255;

  std::int64_t pixels() const { return height * width; }
};

// CRC-32 of images and labels.
[[nodiscard]] std::uint32_t checksum(const Dataset& data);

// Both parts have one shape, one number of classes and one largest pixel.
struct DataPair {
  Dataset train;
  Dataset test;
};

// `mnist` or `digits`, which come with softwarp; `fashion-mnist`, a Debian package; or a directory
// holding train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
// t10k-labels-idx1-ubyte, each plain or as .gz. Classes of a directory are its largest training label
// + 1; its largest pixel is 255, or 16 where no pixel is above 16. Throws Error naming the file, what
// was expected and what was found.
[[nodiscard]] DataPair load_data(const std::string& name_or_directory);

}  // namespace softwarp
