#include "host/data/data_directory.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <cstdlib>
#include <system_error>

namespace softwarp {

std::vector<std::filesystem::path> data_directories() {
  // A place that was asked for is not silently replaced by another.
  if (const char* chosen = std::getenv("SOFTWARP_DATA_DIR"); chosen && *chosen) return {chosen};

  std::vector<std::filesystem::path> directories;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) directories.push_back(program.parent_path().parent_path() / "share/softwarp/data");
  directories.emplace_back(SOFTWARP_DATA_DIR);
  directories.emplace_back(SOFTWARP_INSTALLED_DATA_DIR);
  return directories;
}

std::filesystem::path find_dataset(const std::string& name) {
  std::string searched;
  for (const auto& directory : data_directories()) {
    std::error_code error;
    if (std::filesystem::is_directory(directory / name, error)) return directory / name;
    searched += fmt::format("{}{}", searched.empty() ? "" : " or ", (directory / name).string());
  }
  throw Error(fmt::format(
      "{}: expected the directory {} (SOFTWARP_DATA_DIR chooses another place), found none", name, searched));
}

bool is_data_name(const std::string& data) {
  return data == "mnist" || data == "fashion-mnist" || data == "digits";
}

std::string lasting_name(const std::string& data) {
  std::error_code error;
  if (is_data_name(data) || !std::filesystem::is_directory(data, error)) return data;
  const std::filesystem::path path = std::filesystem::absolute(data, error).lexically_normal();
  if (error) return data;
  return (path.has_filename() ? path : path.parent_path()).string();
}

}  // namespace softwarp
