#include "host/program/augment_flags.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "host/model/names.h"
#include "host/program/options.h"

namespace softwarp::program {
namespace {

// Of Simard et al. and Ciresan et al.; <softwarp/augment.h> has the definitions.
constexpr Augmentation kDefaults{.degrees = {-15, 15},
                                 .shear = {-15, 15},
                                 .scale = {0.825f, 1.175f},
                                 .translate = {0, 0},
                                 .flip = 0,
                                 .alpha = 37,
                                 .sigma = 5,
                                 .half = 0};

[[noreturn]] void fail(const std::string& flag, const std::string& expected, const std::string& found) {
  throw CLI::ValidationError(flag, fmt::format("expected {}, found {}", expected, shown(found)));
}

template <class T>
bool read_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// "15" is -15 to 15, if a number may stand for both ends; "80,100" is 80 to 100.
void add_interval(CLI::App& command, const std::string& flag, UniformInterval& interval, float least,
                  float most, bool symmetric, const std::string& text, const std::string& default_text) {
  const std::string expected =
      fmt::format("{}two numbers, as in {}, from {} to {}", symmetric ? "a number, or " : "",
                  symmetric ? "-5,15" : default_text, least, most);
  command
      .add_option_function<std::string>(
          flag,
          [=, &interval](const std::string& given) {
            const auto parts = split_list(given);
            UniformInterval read;
            bool right = parts.size() <= 2 && read_number(parts.back(), read.most);
            if (parts.size() == 2) right = right && read_number(parts.front(), read.least);
            if (parts.size() == 1) right = right && symmetric, read.least = -read.most;
            if (!(right && read.least >= least && read.least <= read.most && read.most <= most))
              fail(flag, expected, given);
            interval = read;
          },
          text)
      ->type_name(kPairType)
      ->default_str(default_text)
      ->group("Augmentation");
}

std::string kinds_error(const std::string& given) {
  for (const std::string& part : split_list(given))
    if (given != "none" && part != "affine" && part != "elastic")
      return fmt::format("expected none, affine, elastic or affine,elastic, found {}", shown(given));
  return "";
}

void read_half(const std::string& given, std::uint64_t& half) {
  std::uint64_t bits = 0;
  for (const std::string& part : split_list(given)) {
    unsigned label = 0;
    if (given == "none") break;
    if (!read_number(part, label) || label > 63)
      fail("--half-angles", "classes from 0 to 63, or none", given);
    bits |= std::uint64_t{1} << label;
  }
  half = bits;
}

}  // namespace

void add_augment_flags(CLI::App& command, Augmentation& a, const std::string& kinds) {
  const auto in = [](CLI::Option* option) { return option->capture_default_str()->group("Augmentation"); };
  command
      .add_option("--augment",
                  "Deform each training image anew in each epoch: affine, elastic or both; or none")
      ->check(CLI::Validator(kinds_error, ""))
      ->type_name(kNamesType)
      ->default_str(kinds)
      ->group("Augmentation");
  add_interval(command, "--degrees", a.degrees, -360, 360, true, "Affine: rotation; 15 is -15 to 15", "15");
  add_interval(command, "--shear", a.shear, -80, 80, true, "Affine: horizontal shear in degrees", "15");
  add_interval(command, "--scale", a.scale, 0.1f, 10, false, "Affine: factor of each axis", "0.825,1.175");
  add_interval(command, "--translate", a.translate, -1000, 1000, true, "Affine: pixels along each axis", "0");
  in(command.add_option("--flip", a.flip, "Affine: chance that an image is mirrored, left to right"))
      ->check(number_in(0, 1));
  command
      .add_option_function<std::string>(
          "--half-angles", [&a](const std::string& given) { read_half(given, a.half); },
          "Affine: classes whose rotation and shear are halved, as 1,7 of the digits")
      ->type_name(kCountsType)
      ->default_str("none")
      ->group("Augmentation");
  in(command.add_option("--alpha", a.alpha, "Elastic: pixels by which the field is multiplied"))
      ->default_str("37")
      ->check(number_in(0, 1000));
  in(command.add_option("--sigma", a.sigma, "Elastic: deviation of the Gaussian in pixels"))
      ->check(number_in(0.1, 10));
}

void settle_augment(const CLI::App& command, Augmentation& a) {
  const CLI::Option* option = command.get_option("--augment");
  const std::string kinds = option->count() > 0 ? option->results().back() : option->get_default_str();
  const bool affine = kinds.find("affine") != std::string::npos;
  const bool elastic = kinds.find("elastic") != std::string::npos;
  const auto settle = [&](const char* flag, const char* kind, bool chosen, auto& value,
                          const auto& by_default, const auto& nothing) {
    const bool given = command.count(flag) > 0;
    if (chosen && !given) value = by_default;
    if (!chosen && given && !(value == nothing))
      throw CLI::ValidationError(flag, fmt::format("expected --augment {}, found {}", kind, kinds));
    if (!chosen) value = nothing;
  };
  constexpr Augmentation kNothing;
  settle("--degrees", "affine", affine, a.degrees, kDefaults.degrees, kNothing.degrees);
  settle("--shear", "affine", affine, a.shear, kDefaults.shear, kNothing.shear);
  settle("--scale", "affine", affine, a.scale, kDefaults.scale, kNothing.scale);
  settle("--translate", "affine", affine, a.translate, kDefaults.translate, kNothing.translate);
  settle("--flip", "affine", affine, a.flip, kDefaults.flip, kNothing.flip);
  settle("--half-angles", "affine", affine, a.half, kDefaults.half, kNothing.half);
  settle("--alpha", "elastic", elastic, a.alpha, kDefaults.alpha, kNothing.alpha);
  settle("--sigma", "elastic", elastic, a.sigma, kDefaults.sigma, kNothing.sigma);
  if (elastic && a.alpha == 0) fail("--alpha", "a number above 0", "0");
}

}  // namespace softwarp::program
