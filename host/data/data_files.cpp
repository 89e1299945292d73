#include "host/data/data_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

namespace softwarp {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const std::string& expected, const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", path.string(), expected, found));
}

// The directory's entries, in order of name.
std::vector<fs::path> entries_of(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    entries.push_back(at->path());
  if (error) fail(directory, "a directory that can be read", error.message());
  std::ranges::sort(entries);
  return entries;
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// A name without .gz, and with the dash that some programs make a dot.
std::string plain_name(const fs::path& path) {
  std::string name = path.filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  if (const auto dot = name.rfind(".idx"); dot != std::string::npos) name[dot] = '-';
  return name;
}

struct Wanted {
  std::string own;                   // as MNIST names it
  std::vector<std::string> endings;  // of the names that others give it
};

Wanted images_of(DataPart part) {
  if (part == DataPart::train) return {"train-images-idx3-ubyte", {"train-images-idx3-ubyte"}};
  return {"t10k-images-idx3-ubyte", {"t10k-images-idx3-ubyte", "test-images-idx3-ubyte"}};
}
Wanted labels_of(DataPart part) {
  if (part == DataPart::train)
    return {"train-labels-idx1-ubyte", {"train-labels-idx1-ubyte", "train-labels-idx2-int"}};
  return {"t10k-labels-idx1-ubyte",
          {"t10k-labels-idx1-ubyte", "test-labels-idx1-ubyte", "test-labels-idx2-int"}};
}

bool is_named(const std::string& name, const std::string& ending) {
  if (!name.ends_with(ending)) return false;
  return name.size() == ending.size() ||
         std::string("-_.").find(name[name.size() - ending.size() - 1]) != std::string::npos;
}

// The files that may be meant, MNIST's own names first, and of two that differ in .gz the plain one. In place
// of a file there may be a directory of its name that holds it.
std::vector<fs::path> candidates(const fs::path& directory, const Wanted& wanted) {
  std::vector<fs::path> own, others;
  for (const fs::path& entry : entries_of(directory)) {
    const std::string name = plain_name(entry);
    if (std::ranges::none_of(wanted.endings, [&](const auto& ending) { return is_named(name, ending); }))
      continue;
    const fs::path file = is_folder(entry) ? entry / entry.filename() : entry;
    std::error_code error;
    if (is_folder(entry) && !fs::exists(file, error)) continue;
    std::vector<fs::path>& group = name == wanted.own ? own : others;
    if (std::ranges::none_of(group, [&](const fs::path& other) { return plain_name(other) == name; }))
      group.push_back(file);
  }
  return own.empty() ? others : own;
}

fs::path find_file(const fs::path& directory, const Wanted& wanted) {
  const std::vector<fs::path> found = candidates(directory, wanted);
  const fs::path expected = directory / wanted.own;
  if (found.size() > 1)
    fail(expected, "this file, or one of another name",
         fmt::format("{} and {}: give each set its own directory", found[0].filename().string(),
                     found[1].filename().string()));
  if (found.size() == 1) return found.front();
  constexpr std::size_t kMost = 5;
  std::vector<std::string> names;
  for (const fs::path& entry : entries_of(directory)) names.push_back(entry.filename().string());
  const bool more = names.size() > kMost;
  names.resize(std::min(names.size(), kMost));
  fail(expected, "this file, plain or as .gz",
       fmt::format("neither ({})", names.empty() ? "the directory is empty"
                                                 : fmt::format("the directory holds {}{}",
                                                               fmt::join(names, ", "), more ? ", ..." : "")));
}

// The directory itself, or the one below it in which torchvision put the files.
fs::path path_of(const fs::path& directory, DataPart part) {
  const auto holds = [&](const fs::path& place) {
    return is_folder(place) &&
           (!candidates(place, images_of(part)).empty() || !candidates(place, labels_of(part)).empty());
  };
  if (holds(directory)) return directory;
  std::vector<fs::path> below;
  if (holds(directory / "raw")) below.push_back(directory / "raw");
  for (const fs::path& entry : entries_of(directory))
    if (is_folder(entry) && holds(entry / "raw")) below.push_back(entry / "raw");
  if (below.size() > 1)
    fail(directory, "one data set",
         fmt::format("{} and {}: give one of them", below[0].string(), below[1].string()));
  return below.empty() ? directory : below.front();
}

}  // namespace

PartFiles find_part(const fs::path& directory, DataPart part) {
  const fs::path place = path_of(directory, part);
  return {find_file(place, images_of(part)), find_file(place, labels_of(part))};
}

}  // namespace softwarp
