#include "host/program/trained_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "host/data/data_directory.h"
#include "host/model/names.h"
#include "host/program/announce.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/runs.h"

namespace softwarp::program {
namespace {

namespace fs = std::filesystem;

std::string taken_run;  // in place of a model that was not named

}  // namespace

void say_newest_run() {
  if (!taken_run.empty()) say_error("the model is that of the newest run, {}\n", taken_run);
}

std::filesystem::path model_path(const std::string& model) {
  std::filesystem::path path(model);
  if (model.empty()) {
    path = newest_run();
    taken_run = path.string();
    if (path.empty()) path = "softwarp-run";
  }
  if (std::filesystem::is_directory(path)) {
    if (!std::filesystem::exists(path / "model.safetensors") &&
        std::filesystem::exists(path / "last.safetensors"))
      throw Error(
          fmt::format("{}: expected model.safetensors, found last.safetensors alone, the checkpoint of a "
                      "training that was "
                      "cut off or still runs (softwarp train --resume {} goes on)",
                      path.string(), shell_word(path.string())));
    return path / "model.safetensors";
  }
  if (!std::filesystem::exists(path))
    throw Error(
        fmt::format("{}: expected a training's directory or a model.safetensors, found neither (softwarp "
                    "train writes both)",
                    path.string()));
  return path;
}

CLI::Option* ForeignOptions::add_normalization_to(CLI::App& command) {
  return add_list(command, "--normalize", normalization, any_number(),
                  "Mean and standard deviation of a network's inputs, if another program trained it so")
      ->type_name(kPairType);
}

void ForeignOptions::add_to(CLI::App& command) {
  std::vector<std::string> names;
  for (const auto& [name, kind] : names_of(Activation{})) names.emplace_back(name);
  const auto choose = [this](const std::string& text) {
    for (const auto& [name, kind] : names_of(Activation{}))
      if (name == text) activation = kind;
  };
  command
      .add_option_function<std::string>("--activation", choose,
                                        "After each hidden layer, if the model does not say it")
      ->check(one_of(names));
  add_normalization_to(command);
}

bool is_foreign(const Model& model) { return model.input.height == 0; }

namespace {

// W (x - mean) / deviation + b = (W / deviation) x + (b - W mean / deviation)
void take_in_normalization(Model& model, double mean, double deviation) {
  const ParameterLayout layout(model.shape);
  const ParameterTensor& weight = layout.weight(0);
  for (std::int64_t r = 0; r < weight.rows; ++r) {
    double sum = 0;
    for (std::int64_t c = 0; c < weight.cols; ++c) {
      float& w = model.values[static_cast<std::size_t>(weight.offset + r * weight.cols + c)];
      sum += double{w};
      w = static_cast<float>(double{w} / deviation);
    }
    float& bias = model.values[static_cast<std::size_t>(layout.bias(0).offset + r)];
    bias = static_cast<float>(double{bias} - sum * mean / deviation);
  }
}

}  // namespace

Model read_any_model(const std::filesystem::path& path, const ForeignOptions& options) {
  const std::vector<double>& normalization = options.normalization;
  if (!normalization.empty() && normalization.size() != 2)
    throw CLI::ValidationError("--normalize", fmt::format("expected a mean and a deviation, found {} numbers",
                                                          normalization.size()));
  if (!normalization.empty() &&
      !(normalization[1] > 1e-6 && normalization[1] < 1e6 && std::abs(normalization[0]) < 1e6))
    throw CLI::ValidationError(
        "--normalize", fmt::format("expected a mean within 1e6, and a deviation of 1e-6 to 1e6, found {}",
                                   fmt::join(normalization, ",")));
  return read_model_or_state_dict(path, options.activation.value_or(Activation::relu));
}

void expect_no_contradiction(const std::filesystem::path& path, const Model& model,
                             const ForeignOptions& options) {
  const auto& [activation, normalization] = options;
  if (activation && *activation != model.shape.activation)
    throw Error(fmt::format("--activation: expected {}, as {} says, found {}",
                            name_of(model.shape.activation), path.string(), name_of(*activation)));
  if (!is_foreign(model) && !normalization.empty())
    throw Error(fmt::format("--normalize: expected none, as {} is of softwarp, found {}", path.string(),
                            fmt::join(normalization, ",")));
}

void complete(const std::filesystem::path& path, Model& model, const ForeignOptions& options) {
  const auto& [activation, normalization] = options;
  if (!is_foreign(model)) return;
  if (!activation && !model.shape.hidden.empty())
    say_error(
        "softwarp: {}: does not say its activation, taken as relu after each hidden layer "
        "(--activation decides)\n",
        path.string());
  if (!normalization.empty()) take_in_normalization(model, normalization[0], normalization[1]);
}

Model open_model(const std::filesystem::path& path, const ForeignOptions& options) {
  Model model = read_any_model(path, options);
  expect_no_contradiction(path, model, options);
  complete(path, model, options);
  return model;
}

void assume_square(const std::filesystem::path& path, Model& model) {
  const auto side = std::lround(std::sqrt(static_cast<double>(model.shape.inputs)));
  if (side * side != model.shape.inputs)
    throw Error(fmt::format("{}: expected the inputs of a square image, found {} (--data names its data)",
                            path.string(), model.shape.inputs));
  model.input.height = model.input.width = side;
  say_error(
      "softwarp: {}: does not say its data; pictures are scaled as a whole to {}x{} (--data DATA "
      "frames them as its images are)\n",
      path.string(), side, side);
}

void expect_data_there(const std::string& file, const std::string& data) {
  std::error_code error;
  if (is_data_name(data) || fs::is_directory(data, error)) return;
  throw Error(
      fmt::format("{}: expected the data that it was trained on in {}, found no such directory (--data "
                  "gives another place)",
                  file, data));
}

void say_shadowed(const std::string& data) {
  std::error_code error;
  if (!is_data_name(data) || !fs::is_directory(data, error)) return;
  if (data != "fashion-mnist" && fs::equivalent(data, find_dataset(data), error)) return;
  say_error("softwarp: --data {0}: the set of that name, not the directory here (--data ./{0} is that)\n",
            data);
}

namespace {

void say_other_data(const std::filesystem::path& path, const InputFormat& trained_on, const std::string& name,
                    const Dataset& data, bool is_test) {
  const std::uint32_t trained = is_test ? trained_on.test_checksum : trained_on.train_checksum;
  if (trained == 0 || trained == data.source_checksum) return;
  const char* part = is_test ? "test" : "training";
  if (name.empty() || lasting_name(name) == trained_on.data)
    say_error("softwarp: {}: holds other {} images or labels than when {} was trained\n", data.name, part,
              path.string());
  else
    say_error("softwarp: {} was trained on {}; {} holds other {} images or labels\n", path.string(),
              trained_on.data, data.name, part);
}

// The largest pixel that the model records for these images, wherever they lie; 0: they are others.
int recorded_max_pixel(const InputFormat& input, const Dataset& data) {
  const std::uint32_t sum = data.source_checksum;
  return sum != 0 && (sum == input.train_checksum || sum == input.test_checksum) ? input.max_pixel : 0;
}

void adopt_input(const std::filesystem::path& path, Model& model, const Dataset& data) {
  if (data.pixels() != model.shape.inputs)
    throw Error(fmt::format("{}: expected images of {} pixels, found {}x{} in {}", path.string(),
                            model.shape.inputs, data.height, data.width, data.name));
  model.input = {.data = lasting_name(data.name),
                 .height = data.height,
                 .width = data.width,
                 .max_pixel = data.max_pixel,
                 .framing = data.framing};
}

void take_data(const std::filesystem::path& path, Model& model, const Dataset& data) {
  if (is_foreign(model)) adopt_input(path, model, data);
  if (const std::string why = misfit(model, data); !why.empty())
    throw Error(fmt::format("{}: {}", path.string(), why));
}

}  // namespace

void share_data(const std::filesystem::path& path, Model& model, const Dataset& data,
                const std::string& part) {
  take_data(path, model, data);
  say_other_data(path, model.input, data.name, data, part == "test");
}

Dataset load_for(const std::filesystem::path& path, Model& model, const std::string& name,
                 const std::string& part, int max_pixel) {
  if (is_foreign(model) && name.empty())
    throw Error(
        fmt::format("{}: expected a model that says its data, found none of softwarp's metadata "
                    "(--data DATA names it)",
                    path.string()));
  if (name.empty()) expect_data_there(path.string(), model.input.data);
  const bool same = name.empty() || lasting_name(name) == model.input.data, is_test = part == "test";
  if (max_pixel == 0 && same) max_pixel = model.input.max_pixel;
  const std::string& source = name.empty() ? model.input.data : name;
  Announce announce("reading " + source);
  Dataset data = load_data_part(source, is_test ? DataPart::test : DataPart::train, max_pixel);
  announce.done();
  if (const int recorded = recorded_max_pixel(model.input, data); max_pixel == 0 && recorded > 0) {
    data.max_pixel = recorded;
    data.max_pixel_guessed = false;
  }
  take_data(path, model, data);
  if (!name.empty()) say_shadowed(name);
  say_guess(data);
  say_other_data(path, model.input, name, data, is_test);
  return data;
}

void say_guess(const Dataset& data) {
  if (!data.max_pixel_guessed) return;
  const int largest = *std::ranges::max_element(data.images);
  say_error("softwarp: {}: no pixel is above {}, taken as 0 to {} (--max-pixel decides)\n", data.name,
            largest, data.max_pixel);
}

CLI::Option* add_max_pixel(CLI::App& command, std::int64_t& max_pixel) {
  return command
      .add_option("--max-pixel", max_pixel,
                  "The pixels' largest value, 1 to 255; by default as the data has it")
      ->check(count_in(1, 255));
}

}  // namespace softwarp::program
