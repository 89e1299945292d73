#include "host/program/config_file.h"

#include <fmt/format.h>

// toml++ asserts, or with NDEBUG assumes, that a key begins as keys do, which a file may break; without the
// assertion it says so.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) static_cast<void>(0)
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <algorithm>
#include <istream>
#include <iterator>
#include <optional>
#include <string_view>
#include <tuple>

#include "host/program/options.h"
#include "host/program/suggest.h"

namespace softwarp::program {
namespace {

// The place of an error.
struct Place {
  std::string path;
  toml::source_position position;

  [[noreturn]] void fail(const std::string& what) const {
    throw CLI::ConfigError(fmt::format("{}:{}:{}: {}", path, position.line, position.column, what));
  }
};

std::vector<std::string> names_of_flags(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames())
      if (name != "help") names.push_back(name);
  return names;
}

std::string meant(const std::string& name, const std::vector<std::string>& candidates) {
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  const std::string near = nearest(dashed, candidates);
  return near.empty() ? "" : fmt::format("; did you mean {}?", near);
}

// The commands that have a flag of this name or, if none has, one that is near, as in "[train] or
// [gradcheck]".
std::string sections_with(const CLI::App& app, const std::string& name) {
  std::string exact, near;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const auto names = names_of_flags(*command);
    const auto add = [&](std::string& to) {
      to += fmt::format("{}[{}]", to.empty() ? "" : " or ", command->get_name());
    };
    if (std::find(names.begin(), names.end(), name) != names.end()) add(exact);
    if (!meant(name, names).empty()) add(near);
  }
  return exact.empty() ? near : exact;
}

std::string no_section(const CLI::App& app, const std::string& name) {
  const std::string sections = sections_with(app, name);
  if (sections.empty()) return fmt::format("{} stands before any section, such as [train]", name);
  return fmt::format("{} stands before any section; is a line {} missing?", name, sections);
}

std::string no_flag(const CLI::App& app, const CLI::App& command, const std::string& name) {
  const std::string flag = meant(name, names_of_flags(command));
  const std::string text = fmt::format("[{}] has no {}{}", command.get_name(), name, flag);
  const std::string sections = flag.empty() ? sections_with(app, name) : "";
  return sections.empty() ? text : fmt::format("{}; it belongs to {}", text, sections);
}

// A number, or a string or a boolean, as a flag's value; empty if it is none of them.
std::string text_of(const toml::node& node) {
  if (const auto value = node.value_exact<std::string>()) return *value;
  if (const auto value = node.value_exact<bool>()) return *value ? "true" : "false";
  if (const auto value = node.value_exact<std::int64_t>()) return fmt::format("{}", *value);
  const auto value = node.value_exact<double>();
  if (!value) return "";
  const std::string text = fmt::format("{}", *value);  // which has no ".0"
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

std::string found(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::date: return "a date";
    case toml::node_type::time: return "a time";
    case toml::node_type::date_time: return "a date and time";
    default: return shown(text_of(node));
  }
}

// The value of a flag on the command line. A list may be an array, and a number a string.
std::string value_for(const CLI::Option& option, const toml::node& node, const Place& place) {
  const std::string type = option.get_type_name();
  const bool is_flag = option.get_items_expected_max() == 0;
  const bool is_numbers = type == kCountsType || type == kNumbersType || type == kPairType;
  const bool is_list = is_numbers || type == kNamesType;
  const bool is_number = is_numbers || type == kCountType || type == kNumberType;
  const auto fits = [&](const toml::node& each) {
    return is_flag ? each.is_boolean() : each.is_string() || (is_number && each.is_number());
  };
  const toml::array* array = is_list ? node.as_array() : nullptr;
  if (array == nullptr && fits(node)) return text_of(node);
  if (array != nullptr && std::all_of(array->begin(), array->end(), fits)) {
    std::string text;
    for (const toml::node& each : *array) text += (text.empty() ? "" : ",") + text_of(each);
    return text;
  }
  place.fail(fmt::format("--{}: expected {}, found {}", option.get_lnames().front(),
                         is_flag      ? "true or false"
                         : is_numbers ? "numbers, as in [512, 256]"
                         : is_list    ? "a string, or an array of them"
                         : is_number  ? "a number"
                                      : "a string, in quotes",
                         array == nullptr ? found(node) : "an array of something else"));
}

void give(CLI::Option& option, const toml::node& node, const Place& place) {
  const std::string value = value_for(option, node, place);
  if (option.count() > 0) return;
  try {
    option.add_result(value);
    option.run_callback();
  } catch (const CLI::ParseError& error) {
    place.fail(error.what());
  }
}

struct Entry {
  std::string name;
  const toml::node* value;
  toml::source_position position;  // of the name
};

// In the order of the file: the first error counts.
std::vector<Entry> entries_of(const toml::table& table) {
  std::vector<Entry> entries;
  for (const auto& [key, value] : table)
    entries.push_back({std::string(key.str()), &value, key.source().begin});
  std::ranges::sort(
      entries, {}, [](const Entry& entry) { return std::tuple(entry.position.line, entry.position.column); });
  return entries;
}

bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// The end of a string that begins at `at`. `stray` is set to a character beyond ASCII behind a line's \,
// which toml++ compares with blanks.
std::size_t end_of_string(std::string_view text, std::size_t at, std::optional<std::size_t>& stray) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool has_lines = text.substr(at, 3) == three;
  for (at += has_lines ? 3 : 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      const std::size_t behind = std::min(text.find_first_not_of(" \t\r\n", at + 1), text.size());
      if (behind > at + 1 && behind < text.size() && is_beyond_ascii(text[behind]))
        stray = stray.value_or(behind);
      ++at;
    } else if (has_lines && text.substr(at, 3) == three) {
      return std::min(text.find_first_not_of(quote, at), std::min(at + 5, text.size()));
    } else if (!has_lines && (text[at] == quote || text[at] == '\n')) {
      return at + 1;
    }
  }
  return text.size();
}

// The first character beyond ASCII outside of strings and comments, where TOML has none. What toml++ 3.3 does
// with it is undefined.
std::optional<std::size_t> stray_character(std::string_view text) {
  std::optional<std::size_t> stray;
  for (std::size_t at = text.starts_with("\xef\xbb\xbf") ? 3 : 0; at < text.size() && !stray;) {
    if (is_beyond_ascii(text[at])) return at;
    if (text[at] == '#')
      at = std::min(text.find('\n', at), text.size());
    else if (text[at] == '"' || text[at] == '\'')
      at = end_of_string(text, at, stray);
    else
      ++at;
  }
  return stray;
}

toml::source_position position_of(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = std::ranges::count(before, '\n') + 1;
  const std::size_t begin = before.rfind('\n') + 1;  // 0 in the first line
  return {static_cast<toml::source_index>(line), static_cast<toml::source_index>(at - begin + 1)};
}

toml::table parse(std::istream& input, const std::string& path) {
  constexpr const char* kExpected = "expected TOML, as in epochs = 3 or data = \"digits\"; ";
  const std::string text{std::istreambuf_iterator<char>(input), {}};  // a pipe cannot be sought in
  if (const auto stray = stray_character(text))
    Place{path, position_of(text, *stray)}.fail(
        fmt::format("{}there is a character beyond ASCII outside of quotes", kExpected));
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    Place{path, error.source().begin}.fail(fmt::format("{}{}", kExpected, error.description()));
  }
}

}  // namespace

std::vector<CLI::ConfigItem> ConfigFile::from_config(std::istream& input) const {
  const CLI::Option* given = app_.get_config_ptr();
  const std::string path = given != nullptr && given->count() > 0 ? given->results().back() : "config";
  const toml::table file = parse(input, path);
  std::vector<std::string> commands;
  for (const CLI::App* command : app_.get_subcommands(nullptr)) commands.push_back(command->get_name());

  for (const auto& [section, settings, position] : entries_of(file)) {
    const Place place{path, position};
    const bool known = std::find(commands.begin(), commands.end(), section) != commands.end();
    if (!settings->is_table())
      place.fail(known ? fmt::format("expected a section [{}], found {}", section, found(*settings))
                       : no_section(app_, section));
    if (!known) place.fail(fmt::format("there is no command {}{}", section, meant(section, commands)));
    CLI::App& command = *app_.get_subcommand(section);
    for (const auto& [name, value, name_position] : entries_of(*settings->as_table())) {
      CLI::Option* option = command.get_option_no_throw("--" + name);
      if (option == nullptr || name == "help") Place{path, name_position}.fail(no_flag(app_, command, name));
      give(*option, *value, {path, value->source().begin});
    }
  }
  return {};
}

}  // namespace softwarp::program
