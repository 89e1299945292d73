#include "host/io/number_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>

namespace softwarp {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

[[noreturn]] void fail(const std::string& name, const std::string& expected, const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", name, expected, found));
}

// A piece of a file for a message of one line: it may be anything, of any length.
std::string shown(std::string_view text) {
  std::string printable(text.substr(0, 40));
  for (char& c : printable)
    if (c < ' ' || c > '~') c = '?';
  return '"' + printable + '"';
}

std::optional<double> parse_number(std::string_view word) {
  if (word.starts_with('+')) word.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

double number(std::string_view word, const std::string& name) {
  const auto value = parse_number(word);
  if (!value) fail(name, "a number", shown(word));
  return *value;
}

void add_line(std::string_view line, const std::string& name, NumberTable& table) {
  constexpr std::string_view kBetween = " \t\r,;";
  std::int64_t cols = 0;
  line = line.substr(0, line.find('#'));
  for (auto at = line.find_first_not_of(kBetween); at != std::string_view::npos;
       at = line.find_first_not_of(kBetween, at)) {
    const auto end = std::min(line.find_first_of(kBetween, at), line.size());
    table.values.push_back(number(line.substr(at, end - at), name));
    at = end;
    ++cols;
  }
  if (cols == 0) return;
  if (table.rows > 0 && cols != table.cols)
    fail(name, fmt::format("{} numbers in row {}", table.cols, table.rows + 1), fmt::format("{}", cols));
  table.cols = cols;
  ++table.rows;
}

// The text behind a key of the header, which is a Python dictionary.
std::string_view behind(std::string_view header, std::string_view key, const std::string& name) {
  const auto at = header.find(key);
  if (at == std::string_view::npos) fail(name, fmt::format("{} in the header of a .npy file", key), "none");
  header.remove_prefix(at + key.size());
  header.remove_prefix(std::min(header.find_first_not_of(": '"), header.size()));
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

template <class T>
void read_elements(std::string_view bytes, std::vector<double>& values) {
  for (double& value : values) {
    T element;
    std::memcpy(&element, bytes.data(), sizeof(T));
    value = static_cast<double>(element);
    bytes.remove_prefix(sizeof(T));
  }
}

NumberTable parse_npy(std::string_view bytes, const std::string& name) {
  const bool first_version = bytes.size() > 6 && bytes[6] == 1;
  const std::size_t length_bytes = first_version ? 2 : 4, begin = 8 + length_bytes;
  if (bytes.size() < begin) fail(name, "a .npy header", "the end of the file");
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, length_bytes);
  if (bytes.size() - begin < length) fail(name, "a .npy header", "the end of the file");
  const std::string_view header = bytes.substr(begin, length);
  bytes.remove_prefix(begin + length);

  const std::string_view type = behind(header, "'descr'", name).substr(0, 3);
  if (type != "<f4" && type != "<f8") fail(name, "elements of type <f4 or <f8", shown(type));
  if (behind(header, "'fortran_order'", name).starts_with("True")) fail(name, "C order", "Fortran's");
  const auto shape = parse_shape(behind(header, "'shape'", name), name);
  NumberTable table{shape.size() == 1 ? 1 : shape[0], shape.back(), {}};
  const std::uint64_t each = type == "<f4" ? 4 : 8;
  std::uint64_t size = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(table.rows), static_cast<std::uint64_t>(table.cols),
                             &size) ||
      size > bytes.size() / each || size * each != bytes.size())
    fail(name, fmt::format("{} x {} elements of {} bytes", table.rows, table.cols, each),
         fmt::format("{} bytes", bytes.size()));
  table.values.resize(size);
  if (each == 4)
    read_elements<float>(bytes, table.values);
  else
    read_elements<double>(bytes, table.values);
  return table;
}

}  // namespace

NumberTable parse_table(std::string_view bytes, const std::string& name) {
  NumberTable table;
  if (bytes.starts_with(kMagic)) {
    table = parse_npy(bytes, name);
  } else {
    while (!bytes.empty()) {
      const std::size_t end = std::min(bytes.find('\n'), bytes.size());
      add_line(bytes.substr(0, end), name, table);
      bytes.remove_prefix(std::min(end + 1, bytes.size()));
    }
  }
  if (table.values.empty()) fail(name, "at least one number", "none");
  return table;
}

NumberTable parse_row(const std::vector<std::string>& words, const std::string& name) {
  NumberTable table{1, std::ssize(words), {}};
  for (const std::string& word : words) table.values.push_back(number(word, name));
  return table;
}

std::string read_all(const std::string& path) {
  const auto close = [](std::FILE* file) {
    if (file != stdin) std::fclose(file);
  };
  const std::unique_ptr<std::FILE, decltype(close)> file(path == "-" ? stdin
                                                                     : std::fopen(path.c_str(), "rb"));
  if (!file) fail(path, "a readable file", std::generic_category().message(errno));
  std::string bytes;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof(buffer), file.get())) bytes.append(buffer, n);
  if (std::ferror(file.get())) fail(path, "a readable file", std::generic_category().message(errno));
  return bytes;
}

std::string to_csv(const NumberTable& table) {
  std::string csv;
  for (std::int64_t r = 0; r < table.rows; ++r) csv += fmt::format("{}\n", fmt::join(table.row(r), ","));
  return csv;
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
