#pragma once

/// @file
/// Labelled images: MNIST and its kind.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace softwarp {

/// How a data set's images lie in their frames. Pictures from elsewhere are made like them.
struct Framing {
  /// The place of a drawing.
  enum class Kind {
    whole,  ///< no one way is known; pictures are scaled as a whole
    box,    ///< the middle of a drawing's box is the frame's middle: Fashion-MNIST, the 8x8 digits
    mass    ///< a drawing's centre of mass is the frame's middle: MNIST
  };
  Kind kind = Kind::whole;     ///< how drawings are centred
  double share = 1;            ///< the longer side of a drawing's box, as a share of the frame's
  bool dark_on_light = false;  ///< drawings are dark on a light background

  /// True for equal framings.
  bool operator==(const Framing&) const = default;
};

/// Labelled images in the host's memory. Image i is the pixels() bytes from images[i * pixels()] on, row by
/// row, each in 0..max_pixel. Its label, in 0..classes - 1, is labels[i]. Where `values` is not empty, the
/// network's inputs are its floats, in the same order, and there are no bytes.
struct Dataset {
  std::string name;                  ///< as load_data was given it
  std::vector<std::uint8_t> images;  ///< [count, height, width]
  std::vector<std::uint8_t> labels;  ///< [count]
  std::int64_t count = 0;            ///< images
  std::int64_t height = 0;           ///< rows of an image
  std::int64_t width = 0;            ///< pixels of a row
  int classes = 0;                   ///< number of classes
  int max_pixel = 255;               ///< the largest value that a pixel can have
  bool max_pixel_guessed = false;    ///< nobody said so, and no pixel has it or none is above 16
  /// Names of the classes, of `classes` elements; empty: they have none but their numbers.
  std::vector<std::string> class_names = {};
  Framing framing = {};               ///< as measured of the part that load_data read
  std::uint32_t source_checksum = 0;  ///< checksum() of the part that load_data read; 0: another origin
  std::vector<float> values = {};     ///< [count, height, width], in place of images; empty: bytes

  /// Pixels of an image.
  std::int64_t pixels() const { return height * width; }
};

/// Labelled images in a backend's memory, which somebody else owns.
struct DatasetView {
  const std::uint8_t* images = nullptr;  ///< [count, pixels]
  const std::uint8_t* labels = nullptr;  ///< [count]
  std::int64_t count = 0;                ///< images
  std::int64_t pixels = 0;               ///< pixels of an image
  float scale = 1.0f / 255.0f;           ///< a pixel's value times this is the network's input
  std::int64_t width = 0;                ///< pixels of an image's row; needed where images are deformed
  const float* values = nullptr;         ///< [count, pixels], in place of images; null: bytes
};

/// The CRC-32 of images or values, and labels, by which a resumed run and a model recognize their data.
[[nodiscard]] std::uint32_t checksum(const Dataset& data);

/// A training and a test part, of one shape, one number of classes and one largest pixel.
struct DataPair {
  Dataset train;  ///< to train on
  Dataset test;   ///< to measure with
};

/// A part of a data set.
enum class DataPart {
  train,  ///< to train on
  test    ///< to measure with
};

/// Reads a data set. The name is `mnist` or `digits`, which come with softwarp; `fashion-mnist`, a Debian
/// package; or a directory that holds train-images-idx3-ubyte, train-labels-idx1-ubyte,
/// t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or as .gz. A name may also begin with
/// another set's (emnist-letters-train-images-idx3-ubyte), have a dot before idx, or `test` for t10k; labels
/// may be QMNIST's (idx2-int); and the files may lie in raw or MNIST/raw, as torchvision leaves them. A
/// directory has as many classes as its largest training label + 1. `max_pixel`, 1 to 255, is the largest
/// value of its pixels; of 0, it is 1 or 16 if no pixel is above that, otherwise 255. Throws Error, which
/// names the file, what was expected and what was found.
[[nodiscard]] DataPair load_data(const std::string& name_or_directory, int max_pixel = 0);

/// Reads one part alone; the other's files may be missing. Classes and the largest pixel are this part's own.
[[nodiscard]] Dataset load_data_part(const std::string& name_or_directory, DataPart part, int max_pixel = 0);

/// Splits a data set into a training part and a validation part, in this order. Each image is in one of them,
/// and its old order is kept. `share`, between 0 and 1, is the validation part's, rounded to a whole image;
/// the seed and the count alone decide which images it gets. Throws Error if a part would be empty.
[[nodiscard]] std::pair<Dataset, Dataset> split(const Dataset& data, double share, std::uint64_t seed);

/// The first `count` images, 1 to data.count.
[[nodiscard]] Dataset head(const Dataset& data, std::int64_t count);

}  // namespace softwarp
