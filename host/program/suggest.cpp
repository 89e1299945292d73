#include "host/program/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace softwarp::program {
namespace {

// Levenshtein's distance, one row of the table at a time.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  return flags;
}

// Of numbers with blanks between them behind a flag that takes a list.
std::string suggested_list(const CLI::App& app, const std::vector<std::string>& arguments) {
  const std::vector<std::string> unexpected = app.remaining(true);
  if (unexpected.empty() || app.get_subcommands().empty()) return "";
  const auto at = std::ranges::find(arguments, unexpected.front());
  if (at - arguments.begin() < 2) return "";
  const CLI::Option* option = app.get_subcommands().front()->get_option_no_throw(*(at - 2));
  if (option == nullptr || !option->get_type_name().ends_with(",...")) return "";
  return fmt::format("; did you mean {} {},{}?", *(at - 2), *(at - 1), *at);
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  const auto begins = [&](const std::string& candidate) { return candidate.starts_with(word); };
  if (!word.empty() && std::ranges::count_if(candidates, begins) == 1)
    return *std::ranges::find_if(candidates, begins);
  std::string best;
  std::size_t least = std::min<std::size_t>(3, (word.size() + 1) / 2);
  for (const std::string& candidate : candidates)
    if (const std::size_t d = distance(word, candidate); d < least) {
      least = d;
      best = candidate;
    }
  return best;
}

std::string suggestion(const CLI::App& app, int argc, const char* const* argv) {
  if (std::string list = suggested_list(app, {argv, argv + argc}); !list.empty()) return list;
  std::vector<std::string> commands, flags = flags_of(app);
  for (const CLI::App* command : app.get_subcommands(nullptr)) commands.push_back(command->get_name());
  for (int i = 1; i < argc; ++i) {
    const std::string word = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (i == 1 && !word.starts_with('-')) {
      if (std::find(commands.begin(), commands.end(), word) == commands.end()) {
        const std::string near = nearest(word, commands);
        return near.empty() ? "" : "; did you mean " + near + "?";
      }
      const std::vector<std::string> more = flags_of(*app.get_subcommand(word));
      flags.insert(flags.end(), more.begin(), more.end());
    } else if (word.rfind("--", 0) == 0 && std::find(flags.begin(), flags.end(), word) == flags.end()) {
      if (const std::string near = nearest(word, flags); !near.empty()) return "; did you mean " + near + "?";
    }
  }
  return "";
}

}  // namespace softwarp::program
