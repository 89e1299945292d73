#include <softwarp/dataset.h>
#include <softwarp/error.h>

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "host/data/data_directory.h"
#include "host/data/data_files.h"
#include "host/data/framing.h"
#include "host/io/idx.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

// As Zalando's README has them.
constexpr std::array kFashionNames{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                   "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

// The checksums of the parts of sets that are known wherever they lie.
constexpr std::array<std::uint32_t, 2> kFashionParts{0xa8c91d78, 0xd12e98e2},
    kDigitsParts{0x223dfd65, 0x087c47f1};

bool is_part(const Dataset& data, std::span<const std::uint32_t> checksums) {
  return std::ranges::count(checksums, data.source_checksum) > 0;
}

constexpr char kFashion[] = "fashion-mnist";
constexpr char kFashionDirectory[] = "/usr/share/datasets/fashion-mnist";

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
  part.source_checksum = checksum(part);
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

// A data set's place, and what is known of it; 0 is taken from the data.
struct Source {
  fs::path directory;
  int classes = 0;
  int max_pixel = 0;
};

Source source_of(const std::string& name, int max_pixel) {
  expects(max_pixel >= 0 && max_pixel <= 255, "a largest pixel of at most 255");
  const auto known = [&](int most) { return max_pixel > 0 ? max_pixel : most; };
  if (name == "mnist") return {find_dataset(name), 10, known(255)};
  if (name == "digits") return {find_dataset(name), 10, known(16)};
  std::error_code error;
  if (name == kFashion) {
    if (!fs::exists(kFashionDirectory, error))
      throw Error(
          fmt::format("{}: expected the files of Debian's package dataset-fashion-mnist, found no such "
                      "directory (apt-get install dataset-fashion-mnist, as root)",
                      kFashionDirectory));
    return {kFashionDirectory, 10, known(255)};
  }
  const fs::file_status status = fs::status(name, error);
  if (fs::is_directory(status)) return {name, 0, max_pixel};
  const std::string found = fs::exists(status)                          ? "a file"
                            : status.type() == fs::file_type::not_found ? "no such directory"
                                                                        : error.message();
  throw Error(fmt::format("{}: expected mnist, fashion-mnist, digits or a directory of IDX files, found {}",
                          name, found));
}

// Completes a part; `largest_pixel` is the largest of the data.
void finish(Dataset& part, const PartFiles& files, int classes, int max_pixel, int largest_pixel) {
  if (max_pixel == 0 && is_part(part, kDigitsParts)) max_pixel = 16;
  part.max_pixel_guessed = max_pixel == 0 && largest_pixel != 255;
  if (max_pixel == 0) max_pixel = largest_pixel <= 1 ? 1 : largest_pixel <= 16 ? 16 : 255;
  check_at_most(classes - 1, part.labels, "label", files.labels);
  check_at_most(max_pixel, part.images, "pixel", files.images);
  part.classes = classes;
  if (part.name == kFashion || is_part(part, kFashionParts))
    part.class_names.assign(kFashionNames.begin(), kFashionNames.end());
  part.max_pixel = max_pixel;
  part.framing = measure_framing(part);
}

}  // namespace

DataPair load_data(const std::string& name, int max_pixel) {
  const Source source = source_of(name, max_pixel);
  const PartFiles train_files = find_part(source.directory, DataPart::train);
  const PartFiles test_files = find_part(source.directory, DataPart::test);
  DataPair pair{read_part(name, train_files), read_part(name, test_files)};
  if (pair.train.height != pair.test.height || pair.train.width != pair.test.width)
    throw Error(fmt::format("{}: expected images of {}x{}, as {} has, found {}x{}",
                            test_files.images.string(), pair.train.height, pair.train.width,
                            train_files.images.string(), pair.test.height, pair.test.width));
  const int classes = source.classes > 0 ? source.classes : std::max(2, largest(pair.train.labels) + 1);
  const int largest_pixel = std::max(largest(pair.train.images), largest(pair.test.images));
  finish(pair.train, train_files, classes, source.max_pixel, largest_pixel);
  finish(pair.test, test_files, classes, source.max_pixel, largest_pixel);
  return pair;
}

Dataset load_data_part(const std::string& name, DataPart part, int max_pixel) {
  const Source source = source_of(name, max_pixel);
  const PartFiles files = find_part(source.directory, part);
  Dataset data = read_part(name, files);
  const int classes = source.classes > 0 ? source.classes : std::max(2, largest(data.labels) + 1);
  finish(data, files, classes, source.max_pixel, largest(data.images));
  return data;
}

std::uint32_t checksum(const Dataset& data) {
  uLong sum = 0;
  const auto add = [&sum](const auto& part) {
    if (part.empty()) return;  // for whose null address zlib would begin anew
    sum = crc32_z(sum, reinterpret_cast<const Bytef*>(part.data()), part.size() * sizeof(part[0]));
  };
  add(data.images);
  add(data.values);
  add(data.labels);
  return static_cast<std::uint32_t>(sum);
}

}  // namespace softwarp
