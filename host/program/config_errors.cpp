#include "host/program/config_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "host/program/suggest.h"

namespace softwarp::program {
namespace {

std::string trimmed(const std::string& text) {
  constexpr const char* kBlank = " \t\r\"'";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::vector<std::string> names_of_flags(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  return names;
}

std::string meant(const std::string& name, const std::vector<std::string>& candidates) {
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  const std::string near = nearest(dashed, candidates);
  return near.empty() ? "" : fmt::format("; did you mean {}?", near);
}

std::string no_section(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const auto names = names_of_flags(*command);
    if (std::find(names.begin(), names.end(), name) != names.end())
      return fmt::format("{} stands before any section; is a line [{}] missing?", name, command->get_name());
  }
  return fmt::format("{} stands before any section, such as [train]", name);
}

}  // namespace

std::string config_error(const CLI::App& app) {
  const CLI::Option* given = app.get_config_ptr();
  if (given == nullptr || given->count() == 0) return "";
  const std::string path = given->results().back();
  std::vector<std::string> commands;
  for (const CLI::App* command : app.get_subcommands(nullptr)) commands.push_back(command->get_name());

  std::ifstream file(path);
  std::string line;
  const CLI::App* section = nullptr;
  for (int number = 1; std::getline(file, line); ++number) {
    const auto at = [&](const std::string& what) { return fmt::format("{}:{}: {}", path, number, what); };
    if (number == 1 && line.starts_with("\xef\xbb\xbf"))
      return at("expected text without a byte order mark; save it as UTF-8 without BOM");
    const std::string text = trimmed(line);
    if (text.empty() || text.starts_with('#') || text.starts_with(';')) continue;
    if (text.starts_with('[') && text.find('=') == std::string::npos) {
      const std::string name = trimmed(text.substr(1, text.find(']') - 1));
      if (std::find(commands.begin(), commands.end(), name) == commands.end())
        return at(fmt::format("there is no command {}{}", name, meant(name, commands)));
      section = app.get_subcommand(name);
      continue;
    }
    if (text.find('=') == std::string::npos) continue;  // the rest of a value
    const std::string name = trimmed(text.substr(0, text.find('=')));
    if (section == nullptr) return at(no_section(app, name));
    const auto names = names_of_flags(*section);
    if (std::find(names.begin(), names.end(), name) == names.end())
      return at(fmt::format("[{}] has no {}{}", section->get_name(), name, meant(name, names)));
  }
  return "";
}

}  // namespace softwarp::program
