#include "host/program/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <clocale>
#include <cstdlib>
#include <cwchar>

namespace softwarp::program {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The C library's UTF-8, whatever the locale of the process.
class Utf8Locale {
 public:
  Utf8Locale() : utf8_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (utf8_ != nullptr) before_ = uselocale(utf8_);
  }
  ~Utf8Locale() {
    if (utf8_ == nullptr) return;
    uselocale(before_);
    freelocale(utf8_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t utf8_, before_ = nullptr;
};

// Calls see(bytes, columns) for each character, as long as it returns true. A byte that is no UTF-8 takes a
// column.
template <class See>
void for_each_character(std::string_view text, See see) {
  const Utf8Locale locale;
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t character = 0;
    const std::size_t n = std::mbrtowc(&character, text.data(), text.size(), &state);
    const bool valid = n != 0 && n <= text.size();
    if (!valid) state = {};
    const std::size_t bytes = valid ? n : 1;
    if (!see(bytes, valid ? std::max(0, wcwidth(character)) : 1)) return;
    text.remove_prefix(bytes);
  }
}

}  // namespace

int terminal_columns(int file) {
  if (isatty(file) == 0) return 0;
  winsize size{};
  const int reported = ioctl(file, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
  const std::string_view text = environment("COLUMNS");
  int chosen = 0;
  std::from_chars(text.data(), text.data() + text.size(), chosen);
  if (reported > 0 && chosen > 0) return std::min(reported, chosen);
  return std::max({reported, chosen, 0}) > 0 ? std::max(reported, chosen) : 80;
}

// mpirun gives its processes a terminal, wherever their output goes.
bool can_redraw(int file) {
  if (!environment("OMPI_COMM_WORLD_RANK").empty()) return false;
  const std::string_view terminal = environment("TERM");
  return isatty(file) != 0 && !terminal.empty() && terminal != "dumb" && environment("NO_COLOR").empty();
}

int display_width(std::string_view text) {
  int width = 0;
  for_each_character(text, [&](std::size_t, int columns) {
    width += columns;
    return true;
  });
  return width;
}

std::string cut(std::string_view text, int columns) {
  std::size_t kept = 0;
  for_each_character(text, [&](std::size_t bytes, int width) {
    columns -= width;
    if (columns >= 0) kept += bytes;
    return columns >= 0;
  });
  return std::string(text.substr(0, kept));
}

std::string fit(const std::vector<std::string>& fields, int columns) {
  std::string line;
  for (const std::string& field : fields) {
    const std::string longer = line.empty() ? cut(field, columns) : fmt::format("{}  {}", line, field);
    if (display_width(longer) > columns) break;
    line = longer;
  }
  return line;
}

std::string wrap(const std::vector<std::string>& fields, int columns) {
  std::string lines;
  int width = 0;
  for (const std::string& field : fields) {
    const int more = display_width(field);
    const bool first = lines.empty(), breaks = !first && columns > 0 && width + 2 + more > columns;
    lines += first ? "" : breaks ? "\n" : "  ";
    lines += field;
    width = first || breaks ? more : width + 2 + more;
  }
  return lines;
}

}  // namespace softwarp::program
