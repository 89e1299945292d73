#include "host/program/class_names.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <string_view>

#include "host/io/number_table.h"
#include "host/model/model_file.h"
#include "host/program/options.h"

namespace softwarp::program {
namespace {

// Lines end with LF, CRLF or CR; empty ones at the end are none.
std::vector<std::string> lines_of(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (!text.empty()) text.remove_prefix(text.starts_with("\r\n") ? 2 : 1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    lines.emplace_back(line);
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// In a terminal: fmt pads by columns, of which a CJK character takes two.
std::size_t columns_of(const std::string& text) {
  constexpr std::size_t kMost = 1000;
  return kMost - (fmt::format("{:{}}", text, kMost).size() - text.size());
}

}  // namespace

CLI::Option* add_class_names(CLI::App& command, std::string& file) {
  return command.add_option("--class-names", file, "Names of the classes: a text file with one a line")
      ->type_name(kFileType);
}

std::vector<std::string> read_class_names(const std::string& file, std::int64_t classes) {
  const std::vector<std::string> names = lines_of(read_all(file));
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!is_class_name(names[i]))
      throw Error(fmt::format("{}, line {}: expected the name of class {} as text in UTF-8, found {}", file,
                              i + 1, i, names[i].empty() ? "an empty line" : "control characters"));
  if (std::ssize(names) > classes)
    throw Error(fmt::format("{}, line {}: expected {} names, found one more", file, classes + 1, classes));
  if (std::ssize(names) < classes)
    throw Error(fmt::format("{}, line {}: expected {} names, found the end after {}", file, names.size() + 1,
                            classes, names.size()));
  return names;
}

std::vector<std::string> class_names_for(const Model& model, const std::string& file, const Dataset& data) {
  if (!file.empty()) return read_class_names(file, model.shape.classes);
  if (!model.input.class_names.empty()) return model.input.class_names;
  return std::ssize(data.class_names) == model.shape.classes ? data.class_names : std::vector<std::string>();
}

std::string class_text(const std::vector<std::string>& names, std::int64_t label) {
  if (names.empty()) return fmt::format("{}", label);
  return fmt::format("{} {}", label, names[static_cast<std::size_t>(label)]);
}

std::string class_cell(const std::vector<std::string>& names, std::int64_t label) {
  if (names.empty()) return fmt::format("{:{}}", label, class_column(names));
  return fmt::format("{:{}}", class_text(names, label), class_column(names));
}

std::size_t class_column(const std::vector<std::string>& names) {
  std::size_t widest = 5;
  for (std::size_t c = 0; c < names.size(); ++c)
    widest = std::max(widest, columns_of(class_text(names, static_cast<std::int64_t>(c))));
  return widest;
}

}  // namespace softwarp::program
