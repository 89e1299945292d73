#include "host/io/npy.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "host/io/half.h"

namespace softwarp {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

[[noreturn]] void fail(const std::string& name, const std::string& expected, const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", name, expected, found));
}

// The text behind a key of the header, which is a Python dictionary.
std::string_view behind(std::string_view header, std::string_view key, const std::string& name) {
  const auto at = header.find(key);
  if (at == std::string_view::npos) fail(name, fmt::format("{} in the header of a .npy file", key), "none");
  header.remove_prefix(at + key.size());
  header.remove_prefix(std::min(header.find_first_not_of(": "), header.size()));
  return header;
}

std::vector<std::int64_t> parse_shape(std::string_view text, const std::string& name) {
  std::vector<std::int64_t> shape;
  text = text.substr(0, text.find(')'));
  for (auto at = text.find_first_of("0123456789"); at != std::string_view::npos;
       at = text.find_first_of("0123456789", at)) {
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), size);
    if (error != std::errc()) fail(name, "a shape of 64 bits", "a larger one");
    at = static_cast<std::size_t>(end - text.data());
    shape.push_back(size);
  }
  if (shape.empty() || shape.size() > 2)
    fail(name, "an array of one or two dimensions", fmt::format("{}", shape.size()));
  return shape;
}

// The type as the header writes it: a string, or a list for records.
std::string_view whole_type(std::string_view text) {
  if (text.starts_with('\'')) {
    text.remove_prefix(1);
    return text.substr(0, text.find('\''));
  }
  const auto end = text.find(']');
  return text.substr(0, end == std::string_view::npos ? end : end + 1);
}

std::string printable(std::string_view text) {
  std::string line(text.substr(0, 40));
  for (char& c : line)
    if (c < ' ' || c > '~') c = '?';
  return '"' + line + '"';
}

template <class T>
double convert(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return static_cast<double>(value);
}
double convert_half(const char* bytes) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes, sizeof(bits));
  return from_half(bits);
}
double convert_bool(const char* bytes) { return *bytes != 0 ? 1 : 0; }

struct ElementType {
  std::string_view name;
  std::size_t size;
  double (*convert)(const char*);
};
constexpr std::array kTypes{
    ElementType{"b1", 1, convert_bool},           ElementType{"i1", 1, convert<std::int8_t>},
    ElementType{"u1", 1, convert<std::uint8_t>},  ElementType{"i2", 2, convert<std::int16_t>},
    ElementType{"u2", 2, convert<std::uint16_t>}, ElementType{"i4", 4, convert<std::int32_t>},
    ElementType{"u4", 4, convert<std::uint32_t>}, ElementType{"i8", 8, convert<std::int64_t>},
    ElementType{"u8", 8, convert<std::uint64_t>}, ElementType{"f2", 2, convert_half},
    ElementType{"f4", 4, convert<float>},         ElementType{"f8", 8, convert<double>}};

}  // namespace

bool is_npy(std::string_view bytes) { return bytes.starts_with(kMagic); }

NumberTable parse_npy(std::string_view bytes, const std::string& name) {
  const bool first_version = bytes.size() > 6 && bytes[6] == 1;
  const std::size_t length_bytes = first_version ? 2 : 4, begin = 8 + length_bytes;
  if (bytes.size() < begin) fail(name, "a .npy header", "the end of the file");
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, length_bytes);
  if (bytes.size() - begin < length) fail(name, "a .npy header", "the end of the file");
  const std::string_view header = bytes.substr(begin, length);
  bytes.remove_prefix(begin + length);

  const std::string_view descr = whole_type(behind(header, "'descr'", name));
  const char order = descr.empty() ? ' ' : descr.front();
  const auto type =
      std::ranges::find(kTypes, descr.substr(std::min<std::size_t>(1, descr.size())), &ElementType::name);
  if (type == kTypes.end() || (order != '<' && order != '>' && order != '|' && order != '='))
    fail(name, "elements of bool, of int8 to int64, uint8 to uint64, or float16 to float64 (f2, f4, f8)",
         printable(descr));
  const auto shape = parse_shape(behind(header, "'shape'", name), name);
  NumberTable table{shape.size() == 1 ? 1 : shape[0], shape.back(), {}};
  const auto rows = static_cast<std::uint64_t>(table.rows), cols = static_cast<std::uint64_t>(table.cols);
  std::uint64_t size = 0;
  if (__builtin_mul_overflow(rows, cols, &size) || size > bytes.size() / type->size ||
      size * type->size != bytes.size())
    fail(name, fmt::format("{} x {} elements of {} bytes", table.rows, table.cols, type->size),
         fmt::format("{} bytes", bytes.size()));
  table.values.resize(size);
  const bool columns_first = behind(header, "'fortran_order'", name).starts_with("True");
  const bool swapped = order == '>' && std::endian::native == std::endian::little;
  std::array<char, 8> element{};
  for (std::uint64_t i = 0; i < size; ++i) {
    std::copy_n(bytes.data() + i * type->size, type->size, element.begin());
    if (swapped) std::reverse(element.begin(), element.begin() + static_cast<std::ptrdiff_t>(type->size));
    table.values[columns_first ? i % rows * cols + i / rows : i] = type->convert(element.data());
  }
  return table;
}

std::string to_npy(const NumberTable& table) {
  std::string header =
      fmt::format("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {}), }}", table.rows, table.cols);
  header.resize((header.size() + 10 + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += {1, 0, static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(table.values.data()), table.values.size() * sizeof(double));
  return bytes;
}

}  // namespace softwarp
