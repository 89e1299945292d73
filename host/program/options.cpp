#include "host/program/options.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>

#include "host/io/number_table.h"

namespace softwarp::program {

namespace {

template <class T>
std::optional<T> parse(std::string_view text) {
  if constexpr (std::is_same_v<T, double>) {
    return parse_number(text);
  } else {
    if (text.starts_with('+')) text.remove_prefix(1);
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  }
}

// An error, or none. The text becomes what CLI11 reads as the same number: of "010" it makes 8.
template <class T, class Holds>
std::string check_number(std::string& text, const std::string& expected, Holds holds) {
  const auto value = parse<T>(text);
  if (!value || !holds(*value)) return fmt::format("expected {}, found {}", expected, shown(text));
  text = fmt::format("{}", *value);
  return "";
}

// Validators without a name of their own, so that the help stays short.
template <class T>
CLI::Validator in_range(T least, T most, const char* what) {
  return CLI::Validator(
      [=](std::string& text) {
        return check_number<T>(text, fmt::format("{} from {} to {}", what, least, most),
                               [=](T value) { return value >= least && value <= most; });
      },
      "");
}

template <class T>
CLI::Validator decimal() {
  return CLI::Validator(
      [](std::string& text) {
        const auto value = parse<T>(text);  // 1e400 stays as it was written
        if (value && std::isfinite(static_cast<double>(*value))) text = fmt::format("{}", *value);
        return std::string();
      },
      "");
}

template <class T>
CLI::Validator whole_number() {
  return in_range(std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), "a whole number");
}

CLI::Validator not_empty(const char* what) {
  return CLI::Validator(
      [=](const std::string& text) {
        return text.empty() ? fmt::format("expected {}, found nothing", what) : std::string();
      },
      "");
}

}  // namespace

CLI::Validator number_in(double least, double most) { return in_range(least, most, "a number"); }
CLI::Validator zero_or_number_in(double least, double most) {
  return CLI::Validator(
      [=](std::string& text) {
        return check_number<double>(
            text, fmt::format("0 or a number from {} to {}", least, most),
            [=](double value) { return value == 0 || (value >= least && value <= most); });
      },
      "");
}
CLI::Validator count_in(std::int64_t least, std::int64_t most) {
  return in_range(least, most, "a whole number");
}

CLI::Validator any_number() {
  return CLI::Validator(
      [](std::string& text) { return check_number<double>(text, "a number", [](double) { return true; }); },
      "");
}

CLI::Validator one_of(const std::vector<std::string>& names) {
  std::string expected = names.front();
  for (std::size_t i = 1; i < names.size(); ++i)
    expected += (i + 1 == names.size() ? " or " : ", ") + names[i];
  return CLI::Validator(
      [=](const std::string& text) {
        const bool known = std::find(names.begin(), names.end(), text) != names.end();
        return known ? std::string() : fmt::format("expected {}, found {}", expected, shown(text));
      },
      fmt::format("{{{}}}", fmt::join(names, ",")));
}

std::string shown(const std::string& text) { return text.empty() ? "nothing" : text; }

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.emplace_back(part);
    if (comma == text.size()) return parts;
    text.remove_prefix(comma + 1);
  }
}

template <class T>
CLI::Option* add_list(CLI::App& command, const std::string& flag, std::vector<T>& values,
                      const CLI::Validator& each, const std::string& help) {
  const auto read = [&values, flag, each](const std::string& text) {
    values.clear();
    for (std::string& part : split_list(text)) {
      if (const std::string error = each(part); !error.empty()) throw CLI::ValidationError(flag, error);
      values.push_back(*parse<T>(part));
    }
  };
  return command.add_option_function<std::string>(flag, read, help)
      ->type_name(std::is_same_v<T, double> ? kNumbersType : kCountsType);
}
template CLI::Option* add_list(CLI::App&, const std::string&, std::vector<std::int64_t>&,
                               const CLI::Validator&, const std::string&);
template CLI::Option* add_list(CLI::App&, const std::string&, std::vector<double>&, const CLI::Validator&,
                               const std::string&);

namespace {

// Of lists such as "0-3,7".
std::vector<IndexRange> index_ranges(const std::vector<std::string>& lists) {
  std::vector<IndexRange> ranges;
  for (const std::string& part : split_list(fmt::format("{}", fmt::join(lists, ",")))) {
    const std::size_t dash = part.find('-', 1);
    std::string first = part.substr(0, dash),
                last = dash == std::string::npos ? first : part.substr(dash + 1);
    for (std::string* end : {&first, &last})
      if (const std::string error = count_in(0)(*end); !error.empty())
        throw CLI::ValidationError("--index", error);
    ranges.push_back({std::stoll(first), std::stoll(last)});
    if (ranges.back().first > ranges.back().last)
      throw CLI::ValidationError("--index",
                                 fmt::format("expected a range such as {}-{}, found {}", last, first, part));
  }
  return ranges;
}

}  // namespace

void expect_new_file(const std::string& path, bool overwrite) {
  std::error_code ignored;
  if (!overwrite && std::filesystem::exists(std::filesystem::symlink_status(path, ignored)))
    throw Error(fmt::format("{}: expected no file of that name, found one (--overwrite replaces it)", path));
}

CLI::Option* add_index(CLI::App& command, std::vector<IndexRange>& ranges) {
  return command
      .add_option_function<std::vector<std::string>>(
          "--index", [&ranges](const std::vector<std::string>& lists) { ranges = index_ranges(lists); },
          "Images of a data set by number from 0, as in 0,7 or 0-3")
      ->allow_extra_args(false)
      ->type_name(kCountsType);
}

void settle_hidden(std::vector<std::int64_t>& widths) {
  if (widths == std::vector<std::int64_t>{0}) widths.clear();
  if (std::count(widths.begin(), widths.end(), 0) > 0)
    throw CLI::ValidationError("--hidden", "expected widths above 0, or 0 alone");
}

void tidy_help(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    const std::string type = option->get_type_name();
    // A transformation comes before the checks, and a check after those that there are.
    if (type == "INT") option->transform(decimal<std::int64_t>())->check(whole_number<std::int64_t>());
    if (type == "UINT") option->transform(decimal<std::uint64_t>())->check(whole_number<std::uint64_t>());
    if (type == "INT" || type == "UINT") option->type_name(kCountType);
    if (type == "FLOAT") option->transform(decimal<double>())->type_name(kNumberType);
    if (type.rfind("TEXT:", 0) == 0) option->type_name("NAME");
    if (type == kFileType) option->check(not_empty("a file"));
    if (type == kDirectoryType) option->check(not_empty("a directory"));
    if (type == kDataType) option->check(not_empty("a data set"));
    if (type == kModelType) option->check(not_empty("a training's directory or a model"));
    if (option->get_items_expected_max() == 0) option->check(one_of({"true", "false"}).description(""));
    if (option->get_items_expected_max() == 1 && option->nonpositional() &&
        option->get_multi_option_policy() == CLI::MultiOptionPolicy::Throw)
      option->take_last();
  }
}

void DeviceOptions::add_to(CLI::App& command) {
  const auto in = [](CLI::Option* option) { return option->capture_default_str()->group("Device"); };
  in(command.add_option("--device", device, "Where to compute; auto takes a GPU if there is one"))
      ->check(one_of({"auto", "cpu", "cuda"}));
  in(command.add_option("--threads", threads, "CPU threads; 0: one for each core"))->check(count_in(0, 1024));
  in(add_choice(command, "--precision", cuda.precision, "How a GPU multiplies; sums are float in each"))
      ->default_str("fp32");
  in(command.add_flag("--tune", cuda.tune,
                      "On a GPU, time each layer's fused and unfused ways, and keep the faster"));
}

std::unique_ptr<Backend> DeviceOptions::make_backend() const {
  if (device == "cpu") return make_cpu_backend(threads);
  if (device == "cuda" || cuda_unavailable_reason(cuda.device).empty()) return make_cuda_backend(cuda);
  return make_cpu_backend(threads);
}

std::string DeviceOptions::text_of(const Backend& backend) const {
  if (device != "auto" || backend.stream() != nullptr) return backend.name();
  return fmt::format("{}; no GPU: {}", backend.name(), cuda_unavailable_reason(cuda.device));
}

CudaPrecision DeviceOptions::precision_of(const Backend& backend) const {
  return backend.name().starts_with("cpu") ? CudaPrecision::fp32 : cuda.precision;
}

}  // namespace softwarp::program
