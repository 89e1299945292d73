#include <softwarp/dataset.h>
#include <softwarp/error.h>

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "host/data/data_directory.h"
#include "host/io/idx.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

constexpr char kFashionDirectory[] = "/usr/share/datasets/fashion-mnist";

// The files of one part of a dataset, kept until all is checked so that an error can name the file.
struct PartFiles {
  fs::path images;
  fs::path labels;
};

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

fs::path plain_or_gzipped(const fs::path& path) {
  fs::path gzipped = path.string() + ".gz";
  if (is_there(path)) return path;
  if (is_there(gzipped)) return gzipped;
  throw Error(fmt::format("{}: expected this file, plain or as .gz, found neither", path.string()));
}

PartFiles find_files(const fs::path& directory, const std::string& prefix) {
  return {plain_or_gzipped(directory / (prefix + "-images-idx3-ubyte")),
          plain_or_gzipped(directory / (prefix + "-labels-idx1-ubyte"))};
}

Dataset read_part(const std::string& name, const PartFiles& files) {
  IdxArray images = read_idx(files.images, 3);
  IdxArray labels = read_idx(files.labels, 1);
  if (images.dimensions[0] != labels.dimensions[0])
    throw Error(fmt::format("{}: expected {} labels, as {} has images, found {}", files.labels.string(),
                            images.dimensions[0], files.images.string(), labels.dimensions[0]));
  Dataset part;
  part.name = name;
  part.images = std::move(images.bytes);
  part.labels = std::move(labels.bytes);
  part.count = images.dimensions[0];
  part.height = images.dimensions[1];
  part.width = images.dimensions[2];
  return part;
}

int largest(const std::vector<std::uint8_t>& bytes) { return *std::max_element(bytes.begin(), bytes.end()); }

void check_at_most(int limit, const std::vector<std::uint8_t>& bytes, const char* what,
                   const fs::path& file) {
  const auto bad = std::find_if(bytes.begin(), bytes.end(), [limit](int byte) { return byte > limit; });
  if (bad != bytes.end())
    throw Error(fmt::format("{}: expected {}s 0 to {}, found {} {} at index {}", file.string(), what, limit,
                            what, *bad, bad - bytes.begin()));
}

// Classes and max_pixel of 0 are taken from the data.
DataPair read_pair(const std::string& name, const fs::path& directory, int classes, int max_pixel) {
  const PartFiles train_files = find_files(directory, "train");
  const PartFiles test_files = find_files(directory, "t10k");
  DataPair pair{read_part(name, train_files), read_part(name, test_files)};
  if (pair.train.height != pair.test.height || pair.train.width != pair.test.width)
    throw Error(fmt::format("{}: expected images of {}x{}, as {} has, found {}x{}",
                            test_files.images.string(), pair.train.height, pair.train.width,
                            train_files.images.string(), pair.test.height, pair.test.width));

  if (classes == 0) classes = std::max(2, largest(pair.train.labels) + 1);
  if (max_pixel == 0)
    max_pixel = std::max(largest(pair.train.images), largest(pair.test.images)) <= 16 ? 16 : 255;
  for (auto [part, files] : {std::pair(&pair.train, &train_files), std::pair(&pair.test, &test_files)}) {
    check_at_most(classes - 1, part->labels, "label", files->labels);
    check_at_most(max_pixel, part->images, "pixel", files->images);
    part->classes = classes;
    part->max_pixel = max_pixel;
  }
  return pair;
}

}  // namespace

DataPair load_data(const std::string& name) {
  if (name == "mnist") return read_pair(name, find_dataset(name), 10, 255);
  if (name == "digits") return read_pair(name, find_dataset(name), 10, 16);
  if (name == "fashion-mnist") {
    if (!is_there(kFashionDirectory))
      throw Error(fmt::format("{}: expected Debian's package dataset-fashion-mnist, found no such directory",
                              kFashionDirectory));
    return read_pair(name, kFashionDirectory, 10, 255);
  }
  std::error_code error;
  if (!fs::is_directory(name, error))
    throw Error(fmt::format("{}: expected mnist, fashion-mnist, digits or a directory of IDX files, found {}",
                            name, is_there(name) ? "a file" : "no such directory"));
  return read_pair(name, name, 0, 0);
}

std::uint32_t checksum(const Dataset& data) {
  uLong sum = crc32_z(0, data.images.data(), data.images.size());
  sum = crc32_z(sum, data.labels.data(), data.labels.size());
  return static_cast<std::uint32_t>(sum);
}

}  // namespace softwarp
