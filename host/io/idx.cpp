#include "host/io/idx.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "host/io/byte_reader.h"

namespace softwarp {
namespace {

constexpr std::uint32_t kUnsignedBytes = 0x08;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;
constexpr std::size_t kChunkBytes = 1 << 20;

std::uint32_t read_word(ByteReader& reader, const std::filesystem::path& path) {
  std::array<std::uint8_t, 4> word{};
  if (reader.read(word) != word.size())
    throw Error(fmt::format("{}: expected an IDX header, found a file that ends within it", path.string()));
  return std::uint32_t{word[0]} << 24 | std::uint32_t{word[1]} << 16 | std::uint32_t{word[2]} << 8 | word[3];
}

std::int64_t count_elements(const std::vector<std::int64_t>& dimensions, const std::filesystem::path& path) {
  const std::string shape = fmt::format("{}", fmt::join(dimensions, "x"));
  std::int64_t elements = 1;
  for (const std::int64_t dimension : dimensions)
    if (dimension == 0)
      throw Error(
          fmt::format("{}: expected at least one element, found dimensions {}", path.string(), shape));
  for (const std::int64_t dimension : dimensions) {
    // Asked before multiplying: the product of three such numbers may need 96 bits.
    if (dimension > kMaxElements / elements)
      throw Error(fmt::format("{}: expected at most {} elements, found dimensions {}", path.string(),
                              kMaxElements, shape));
    elements *= dimension;
  }
  return elements;
}

// The header may lie, so memory is asked for chunk by chunk, as bytes arrive.
std::vector<std::uint8_t> read_elements(ByteReader& reader, std::size_t count,
                                        const std::filesystem::path& path) {
  std::vector<std::uint8_t> bytes;
  while (bytes.size() < count) {
    const std::size_t done = bytes.size();
    const std::size_t part = std::min(kChunkBytes, count - done);
    bytes.resize(done + part);
    const std::size_t found = reader.read(std::span(bytes).subspan(done));
    if (found < part)
      throw Error(fmt::format("{}: expected {} bytes after the header, found {}", path.string(), count,
                              done + found));
  }
  return bytes;
}

std::string described(std::uint32_t magic) {
  static constexpr std::array<std::string_view, 7> kTypes{
      "unsigned bytes", "signed bytes", "", "16-bit integers", "32-bit integers", "floats", "doubles"};
  const std::uint32_t type = magic >> 8, rank = magic & 0xFF;
  if (type < 8 || type > 14 || kTypes[type - 8].empty() || rank == 0) return ", which is no IDX file's";
  return fmt::format(" ({}, rank {})", kTypes[type - 8], rank);
}

// QMNIST's labels: rows of 32-bit numbers, of which the first is the label.
IdxArray read_wide_labels(ByteReader& reader, int rank, const std::filesystem::path& path) {
  std::vector<std::int64_t> dimensions(static_cast<std::size_t>(rank));
  for (std::int64_t& dimension : dimensions) dimension = read_word(reader, path);
  const std::int64_t each = 4 * count_elements(dimensions, path) / dimensions[0];
  constexpr std::int64_t kMostEach = 1024;
  if (each > kMostEach)
    throw Error(fmt::format("{}: expected labels of at most {} bytes each, found {}", path.string(),
                            kMostEach, each));
  IdxArray labels{{dimensions[0]}, {}};
  std::vector<std::uint8_t> row(static_cast<std::size_t>(each));
  for (std::int64_t i = 0; i < dimensions[0]; ++i) {
    if (reader.read(row) != row.size())
      throw Error(
          fmt::format("{}: expected {} labels of {} bytes, found {}", path.string(), dimensions[0], each, i));
    if (row[0] != 0 || row[1] != 0 || row[2] != 0)
      throw Error(fmt::format("{}: expected labels 0 to 255, found another at index {}", path.string(), i));
    labels.bytes.push_back(row[3]);
  }
  std::uint8_t beyond = 0;
  if (reader.read({&beyond, 1}) != 0)
    throw Error(
        fmt::format("{}: expected {} labels of {} bytes, found more", path.string(), dimensions[0], each));
  return labels;
}

}  // namespace

IdxArray read_idx(const std::filesystem::path& path, int rank) {
  expects(rank == 1 || rank == 3, "rank 1 or 3");
  ByteReader reader(path);
  const std::uint32_t expected = kUnsignedBytes << 8 | static_cast<std::uint32_t>(rank);
  const std::uint32_t magic = read_word(reader, path);
  constexpr std::uint32_t kIntegers = 0x0C00;
  if (rank == 1 && (magic == (kIntegers | 1) || magic == (kIntegers | 2)))
    return read_wide_labels(reader, static_cast<int>(magic & 0xFF), path);
  if (magic != expected)
    throw Error(fmt::format("{}: expected magic number 0x{:08x} (unsigned bytes, rank {}), found 0x{:08x}{}",
                            path.string(), expected, rank, magic, described(magic)));

  IdxArray array;
  for (int i = 0; i < rank; ++i) array.dimensions.push_back(read_word(reader, path));
  const auto count = static_cast<std::size_t>(count_elements(array.dimensions, path));
  array.bytes = read_elements(reader, count, path);

  std::uint8_t beyond = 0;
  if (reader.read({&beyond, 1}) != 0)
    throw Error(fmt::format("{}: expected {} bytes after the header, found more", path.string(), count));
  return array;
}

}  // namespace softwarp
