#include "host/program/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>
#include <string_view>

namespace softwarp::program {

namespace {

// A Validator without a name of its own, so that the help stays short.
template <class T>
CLI::Validator in_range(T least, T most, const char* what) {
  return CLI::Validator(
      [=](const std::string& text) {
        T value{};
        const bool holds = CLI::detail::lexical_cast(text, value) && value >= least && value <= most;
        return holds ? std::string()
                     : fmt::format("expected {} from {} to {}, found {}", what, least, most, text);
      },
      "");
}

// Makes "+010" "10", which CLI11 would take for octal; refuses what is no whole number that T can hold.
template <class T>
std::string read_decimal(std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size())
    return fmt::format("expected a whole number from {} to {}, found {}", std::numeric_limits<T>::min(),
                       std::numeric_limits<T>::max(), text);
  text = fmt::format("{}", value);
  return "";
}

}  // namespace

CLI::Validator number_in(double least, double most) { return in_range(least, most, "a number"); }
CLI::Validator count_in(std::int64_t least, std::int64_t most) {
  return in_range(least, most, "a whole number");
}

void settle_hidden(std::vector<std::int64_t>& widths) {
  if (widths == std::vector<std::int64_t>{0}) widths.clear();
  if (std::count(widths.begin(), widths.end(), 0) > 0)
    throw CLI::ValidationError("--hidden", "expected widths above 0, or 0 alone");
}

void tidy_help(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    const std::string type = option->get_type_name();
    if (type == "INT") option->transform(CLI::Validator(read_decimal<std::int64_t>, ""));
    if (type == "UINT") option->transform(CLI::Validator(read_decimal<std::uint64_t>, ""));
    if (type == "INT" || type == "UINT") option->type_name("N");
    // The last of several counts; the values of a list are put together.
    if (option->get_items_expected_max() == 1 && !option->get_positional()) option->take_last();
    if (type == "FLOAT") option->type_name("X");
    if (type.rfind("TEXT:", 0) == 0) option->type_name("NAME");
  }
}

void DeviceOptions::add_to(CLI::App& command) {
  const auto in = [](CLI::Option* option) { return option->capture_default_str()->group("Device"); };
  in(command.add_option("--device", device, "Where to compute; auto takes a GPU if there is one"))
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  in(command.add_option("--threads", threads, "CPU threads; 0: one for each core"))->check(count_in(0, 1024));
  in(add_choice(command, "--precision", cuda.precision, "How a GPU multiplies; sums are float in each"))
      ->default_str("fp32");
  in(command.add_flag("--tune", cuda.tune,
                      "On a GPU, time each layer's fused and unfused ways, and keep the faster"));
}

std::unique_ptr<Backend> DeviceOptions::make_backend() const {
  if (device == "cpu") return make_cpu_backend(threads);
  if (device == "cuda" || cuda_unavailable_reason().empty()) return make_cuda_backend(cuda);
  return make_cpu_backend(threads);
}

std::string DeviceOptions::text_of(const Backend& backend) const {
  if (device != "auto" || cuda_unavailable_reason().empty()) return backend.name();
  return fmt::format("{}; no GPU: {}", backend.name(), cuda_unavailable_reason());
}

CudaPrecision DeviceOptions::precision_of(const Backend& backend) const {
  return backend.name().starts_with("cpu") ? CudaPrecision::fp32 : cuda.precision;
}

}  // namespace softwarp::program
