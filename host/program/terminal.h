#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace softwarp::program {

// Columns of the terminal behind a file descriptor, by now: of what it says itself and what COLUMNS says, the
// fewer. 0: it is no terminal.
[[nodiscard]] int terminal_columns(int file);

// True if lines can be written anew there: a terminal, and neither TERM=dumb nor NO_COLOR.
[[nodiscard]] bool can_redraw(int file);

inline constexpr const char* kClearLine = "\r\x1b[K";

// Columns that a text in UTF-8 takes.
[[nodiscard]] int display_width(std::string_view text);
// As much of the text's beginning as takes no more columns.
[[nodiscard]] std::string cut(std::string_view text, int columns);

// Fields with two spaces between them: as many from the first on as fit into the columns, the first one cut.
[[nodiscard]] std::string fit(const std::vector<std::string>& fields, int columns);
// All of them, on as many lines as it takes; 0 columns: on one.
[[nodiscard]] std::string wrap(const std::vector<std::string>& fields, int columns);

}  // namespace softwarp::program
