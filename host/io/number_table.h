#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softwarp {

// Rows of numbers, as people and NumPy write them.
struct NumberTable {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<double> values;  // row by row

  std::span<const double> row(std::int64_t i) const {
    return std::span(values).subspan(static_cast<std::size_t>(i * cols), static_cast<std::size_t>(cols));
  }
};

// The content of a file: .npy (host/io/npy.h), or lines of decimal numbers in UTF-8, with commas, semicolons,
// or spaces and tabs between them, the same throughout. With semicolons, or tabs and commas, the comma is the
// decimal sign. A first line of names is passed over; what follows a # is a comment. Numbers beyond the range
// of double become 0 or infinity. Throws Error naming `name` (a file's, for the message), the line and column
// of the number, what was expected and what was found.
NumberTable parse_table(std::string_view bytes, const std::string& name);
// A decimal number, inf or nan, as in a table; none if the word is no such number.
std::optional<double> parse_number(std::string_view word);

// One row, one argument a number.
NumberTable parse_row(const std::vector<std::string>& words, const std::string& name);

// A file's bytes, or of "-" those of standard input. Throws Error.
std::string read_all(const std::string& path);

// Digits enough to read the same double back.
std::string to_csv(const NumberTable& table);
// Version 1.0 (numpy.org, NEP 1), '<f8'.
std::string to_npy(const NumberTable& table);

}  // namespace softwarp
