#pragma once

#include <softwarp/backend.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/model/names.h"

namespace softwarp::program {

// Checks that say what was expected and found. NaN is in no range.
CLI::Validator number_in(double least, double most);
CLI::Validator zero_or_number_in(double least, double most);
CLI::Validator count_in(std::int64_t least, std::int64_t most = std::int64_t{1} << 30);
CLI::Validator any_number();
CLI::Validator one_of(const std::vector<std::string>& names);

// A value for a message.
std::string shown(const std::string& text);

// A flag whose value is one of names_of(E), with the value's present name as default.
template <class E>
CLI::Option* add_choice(CLI::App& command, const std::string& flag, E& value, const std::string& help) {
  std::vector<std::string> names;
  for (const auto& [name, each] : names_of(E{})) names.emplace_back(name);
  const auto choose = [&value](const std::string& text) {
    for (const auto& [name, each] : names_of(E{}))
      if (name == text) value = each;
  };
  return command.add_option_function<std::string>(flag, choose, help)
      ->check(one_of(names))
      ->default_str(std::string(name_of(value)));
}

// The parts of "512, 256", without the blanks around them.
std::vector<std::string> split_list(std::string_view text);

// A flag whose one value is a list of T, std::int64_t or double, as in 512,256, each of which is checked.
template <class T>
CLI::Option* add_list(CLI::App& command, const std::string& flag, std::vector<T>& values,
                      const CLI::Validator& each, const std::string& help);

// Throws Error if there is a file of this name, or a link, that --overwrite does not replace.
void expect_new_file(const std::string& path, bool overwrite);

// Numbers of images, the first and the last.
struct IndexRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
// --index, which may be given several times.
CLI::Option* add_index(CLI::App& command, std::vector<IndexRange>& ranges);

// Of --hidden: 0 alone becomes no hidden layer, 0 among others is refused.
void settle_hidden(std::vector<std::int64_t>& widths);

// The type of a value, in the help and for completion, where it is neither a number nor one of a few names.
inline constexpr const char* kDataType = "DATA";    // a data set's name, or a directory
inline constexpr const char* kModelType = "MODEL";  // a training's directory, or a model file
inline constexpr const char* kFileType = "FILE";
inline constexpr const char* kDirectoryType = "DIR";
// Numbers in the help: whole ones and any, and lists of them; and a list of names.
inline constexpr const char* kCountType = "N";
inline constexpr const char* kNumberType = "X";
inline constexpr const char* kCountsType = "N,...";
inline constexpr const char* kNumbersType = "X,...";
inline constexpr const char* kPairType = "X,X";
inline constexpr const char* kNamesType = "NAME,...";

// Shortens the help: types without their ranges. Makes numbers decimal, refuses empty names, and makes the
// last of a flag's values the one that counts. For the end, when the command has all of its flags.
void tidy_help(CLI::App& command);

// The device to compute on.
struct DeviceOptions {
  std::string device = "auto";
  int threads = 0;
  CudaOptions cuda;

  void add_to(CLI::App& command);
  // auto: CUDA where it can be used, otherwise the CPU.
  std::unique_ptr<Backend> make_backend() const;
  // The backend's name, and why it is not a GPU if it might have been one.
  std::string text_of(const Backend& backend) const;
  // How that backend multiplies: the flag is for GPUs.
  CudaPrecision precision_of(const Backend& backend) const;
};

}  // namespace softwarp::program
