#pragma once

/// @file
/// Labelled images: MNIST and its kind.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace softwarp {

/// Labelled images in the host's memory, as stored: image i is pixels() bytes from images[i * pixels()], row
/// by row, each 0..max_pixel; its label, 0..classes - 1, is labels[i].
struct Dataset {
  std::string name;                  ///< as load_data was given it
  std::vector<std::uint8_t> images;  ///< [count, height, width]
  std::vector<std::uint8_t> labels;  ///< [count]
  std::int64_t count = 0;            ///< images
  std::int64_t height = 0;           ///< rows of an image
  std::int64_t width = 0;            ///< pixels of a row
  int classes = 0;                   ///< number of classes
  int max_pixel = 255;               ///< the largest value that a pixel can have

  /// Pixels of an image.
  std::int64_t pixels() const { return height * width; }
};

/// A data set in a backend's memory.
struct DatasetView {
  const std::uint8_t* images = nullptr;  ///< [count, pixels]
  const std::uint8_t* labels = nullptr;  ///< [count]
  std::int64_t count = 0;                ///< images
  std::int64_t pixels = 0;               ///< pixels of an image
  float scale = 1.0f / 255.0f;           ///< a pixel's value times this is the network's input
};

/// CRC-32 of images and labels.
[[nodiscard]] std::uint32_t checksum(const Dataset& data);

/// A training and a test part, of one shape, one number of classes and one largest pixel.
struct DataPair {
  Dataset train;  ///< to train on
  Dataset test;   ///< to measure with
};

/// Reads `mnist` or `digits`, which come with softwarp; `fashion-mnist`, a Debian package; or a directory
/// holding train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
/// t10k-labels-idx1-ubyte, each plain or as .gz. Classes of a directory are its largest training label + 1;
/// its largest pixel is 255, or 16 where no pixel is above 16. Throws Error naming the file, what was
/// expected and what was found.
[[nodiscard]] DataPair load_data(const std::string& name_or_directory);

/// A training part and a validation part that together are the data: each image is in one of them, in its old
/// order. `share`, between 0 and 1, is the validation part's, rounded to a whole image; which images it gets
/// depends on the seed and the count alone. Throws Error where a part would be empty.
[[nodiscard]] std::pair<Dataset, Dataset> split(const Dataset& data, double share, std::uint64_t seed);

/// The first `count` images, 1 to data.count.
[[nodiscard]] Dataset head(const Dataset& data, std::int64_t count);

}  // namespace softwarp
