#include "host/program/runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <compare>
#include <filesystem>
#include <optional>
#include <system_error>

#include "host/training/run_directory.h"

namespace softwarp::program {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kName = "softwarp-run";

// 1 of softwarp-run, 2 of softwarp-run-2; none of another name.
std::optional<std::int64_t> number_of(std::string_view name) {
  if (name == kName) return 1;
  if (!name.starts_with(kName) || name.substr(kName.size(), 1) != "-") return std::nullopt;
  name.remove_prefix(kName.size() + 1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number < 2) return std::nullopt;
  return number;
}

// Later ones compare as greater: a model beats a checkpoint, then the time counts, then the number.
struct Run {
  bool model = false;
  fs::file_time_type time;
  std::int64_t number = 0;
  auto operator<=>(const Run&) const = default;
};

std::optional<Run> run_in(const fs::path& directory) {
  const auto number = number_of(directory.filename().string());
  if (!number) return std::nullopt;
  for (const char* name : {"model.safetensors", "last.safetensors"}) {
    std::error_code error;
    const auto time = fs::last_write_time(directory / name, error);
    if (!error) return Run{std::string_view(name).starts_with("model"), time, *number};
  }
  return std::nullopt;
}

}  // namespace

std::string next_free_run() {
  std::string name(kName);
  for (std::int64_t number = 2; !is_free_for_run(name); ++number) name = fmt::format("{}-{}", kName, number);
  return name;
}

std::string newest_run() {
  std::optional<Run> newest;
  std::string name;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(".", ignored)) {
    const auto run = run_in(entry.path());
    if (!run || (newest && *run <= *newest)) continue;
    newest = run;
    name = entry.path().filename().string();
  }
  return name;
}

std::string shell_word(const std::string& text) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-./+:=,@%").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

}  // namespace softwarp::program
