#include "host/io/number_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <system_error>

#include "host/io/npy.h"

namespace softwarp {
namespace {

constexpr std::string_view kBlank = " \t";

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

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

double number(std::string_view word, const std::string& name) {
  const auto value = parse_number(word);
  if (!value) fail(name, "a number", word.empty() ? "nothing" : shown(word));
  return *value;
}

// Takes a line off the text: it ends with LF, CR or both.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end);
  text.remove_prefix(text.starts_with("\r\n") ? 2 : std::min<std::size_t>(1, text.size()));
  return line;
}

// A # begins a comment, but not in a spreadsheet's error or in 1.#INF.
std::string_view without_comment(std::string_view line) {
  constexpr std::array<std::string_view, 7> kErrors{"#N/A",  "#DIV/0!", "#VALUE!", "#REF!",
                                                    "#NUM!", "#NAME?",  "#NULL!"};
  const auto is_error = [&](std::size_t at) {
    return (at > 0 && line[at - 1] == '.') ||
           std::ranges::any_of(kErrors, [&](auto error) { return line.substr(at).starts_with(error); });
  };
  std::size_t at = line.find('#');
  while (at != std::string_view::npos && is_error(at)) at = line.find('#', at + 1);
  return trimmed(line.substr(0, at));
}

// Calls see(c, left, right) for each character outside of quotes, with its neighbours.
template <class See>
void for_each_unquoted(std::string_view line, See see) {
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (!quoted) see(line[i], i == 0 ? '\n' : line[i - 1], i + 1 == line.size() ? '\n' : line[i + 1]);
  }
}

// The one character between the numbers of a text; ' ' is any run of spaces and tabs.
char separator_of(std::string_view text) {
  bool comma = false, tab = false, padded = false;
  while (!text.empty()) {
    bool semicolon = false;
    for_each_unquoted(without_comment(take_line(text)), [&](char c, char left, char right) {
      semicolon |= c == ';';
      tab |= c == '\t';
      comma |= c == ',';
      padded |= c == ',' && (left == '\t' || right == '\t' || right == ' ' || right == '\n');
    });
    if (semicolon) return ';';
  }
  if (!comma) return ' ';
  return tab && !padded ? '\t' : ',';
}

struct Field {
  std::string_view text;
  bool quoted = false;
};

Field field_of(std::string_view text) {
  text = trimmed(text);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return {text};
  return {trimmed(text.substr(1, text.size() - 2)), true};
}

std::vector<Field> fields_of(std::string_view line, char separator) {
  std::vector<Field> fields;
  bool quoted = false, blank = false, tab = false;
  std::size_t begin = 0;
  const auto end_field = [&](std::size_t end) {
    fields.push_back(field_of(line.substr(begin, end - begin)));
    begin = end + 1;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (quoted) continue;
    if (separator != ' ') {
      if (line[i] == separator) end_field(i);
      continue;
    }
    const bool is_blank = kBlank.find(line[i]) != std::string_view::npos;
    if (is_blank && !blank) end_field(i);
    if (is_blank && blank) begin = i + 1;
    if (line[i] == '\t' && blank && tab) fields.emplace_back();  // two tabs: nothing lies between them
    tab = is_blank && (line[i] == '\t' || (blank && tab));
    blank = is_blank;
  }
  end_field(line.size());
  return fields;
}

// The bytes of UTF-8 but those that begin spaces, signs such as a typeset minus (U+0080 to U+00BF, U+2000 to
// U+2FFF), and digits of full width (U+FF10).
bool begins_letter(char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  return byte >= 0xC3 && byte != 0xE2 && byte != 0xEF;
}

// A word that is plainly the name of a column, not a mistyped or missing number.
bool is_name(std::string_view word) {
  constexpr std::array<std::string_view, 6> kMissing{"na", "null", "none", "nil", "missing", "undefined"};
  std::string lower(word);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || (c & 0x80) != 0; };
  return !lower.empty() && is_letter(lower.front()) &&
         ((lower.front() & 0x80) == 0 || begins_letter(lower.front())) && !parse_number(word) &&
         std::ranges::find(kMissing, lower) == kMissing.end() && std::ranges::all_of(lower, [&](char c) {
           return is_letter(c) || (c >= '0' && c <= '9') || c == ' ' || c == '-';
         });
}

bool is_header(const std::vector<Field>& fields) {
  return std::ranges::all_of(fields, [](const Field& field) { return is_name(field.text); });
}

double value_of(const Field& field, char separator, const std::string& place) {
  if (field.text.empty()) fail(place, "a number", "an empty field");
  std::string word(field.text);
  // Commas that do not separate are the decimal sign.
  if ((separator == ';' || separator == '\t' || field.quoted) && word.find('.') == std::string::npos)
    if (const auto comma = word.find(','); comma != std::string::npos) word[comma] = '.';
  const auto value = parse_number(word);
  if (!value) fail(place, "a number", shown(field.text));
  return *value;
}

// One decimal sign in a file: 1,5;2.5 has two.
class DecimalSign {
 public:
  void see(const Field& field, const std::string& place) {
    const auto at = field.text.find_first_of(".,");
    if (at == std::string_view::npos) return;
    if (sign_ != 0 && sign_ != field.text[at])
      fail(place, fmt::format("'{}' as the decimal sign, as before", sign_), shown(field.text));
    sign_ = field.text[at];
  }

 private:
  char sign_ = 0;
};

NumberTable parse_text(std::string_view text, const std::string& name) {
  const char separator = separator_of(text);
  NumberTable table;
  DecimalSign sign;
  for (std::int64_t line_number = 1, first_line = 0; !text.empty(); ++line_number) {
    const std::string_view line = without_comment(take_line(text));
    if (line.empty()) continue;
    const std::vector<Field> fields = fields_of(line, separator);
    const bool is_first = first_line == 0;
    if (!is_first && std::ssize(fields) != table.cols)
      fail(fmt::format("{}, line {}", name, line_number),
           fmt::format("{} columns, as in line {}", table.cols, first_line),
           fmt::format("{}", fields.size()));
    if (is_first) {
      first_line = line_number;
      table.cols = std::ssize(fields);
      if (is_header(fields)) continue;
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::string place = fmt::format("{}, line {}, column {}", name, line_number, i + 1);
      table.values.push_back(value_of(fields[i], separator, place));
      sign.see(fields[i], place);
    }
    ++table.rows;
  }
  return table;
}

}  // namespace

std::optional<double> parse_number(std::string_view word) {
  if (word.starts_with('+')) {
    word.remove_prefix(1);
    if (word.starts_with('-')) return std::nullopt;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (end != word.data() + word.size()) return std::nullopt;
  // A decimal number, but one too large or too small: infinity or zero.
  if (error == std::errc::result_out_of_range) return std::strtod(std::string(word).c_str(), nullptr);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

NumberTable parse_table(std::string_view bytes, const std::string& name) {
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) fail(name, "text in UTF-8", "UTF-16");
  if (bytes.starts_with("PK\x03\x04"))
    fail(name, "text or an array saved by np.save (.npy)", "a ZIP archive, as .npz and .xlsx are");
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  NumberTable table = is_npy(bytes) ? parse_npy(bytes, name) : parse_text(bytes, name);
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

}  // namespace softwarp
