#include "host/program/trained_model.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cstdio>

#include "host/program/announce.h"
#include "host/program/options.h"
#include "host/program/runs.h"

namespace softwarp::program {
namespace {

std::string taken_run;  // in place of a model that was not named

}  // namespace

void say_newest_run() {
  if (!taken_run.empty()) fmt::print(stderr, "the model is that of the newest run, {}\n", taken_run);
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

CLI::Option* add_model(CLI::App& command, const std::string& name, std::string& model) {
  return command.add_option(name, model, "A training's directory, or a model.safetensors")
      ->type_name(kModelType)
      ->default_str("the newest softwarp-run");
}

Dataset load_for(const std::filesystem::path& path, const Model& model, const std::string& name,
                 const std::string& part, int max_pixel) {
  const bool same = name.empty() || name == model.input.data;
  if (max_pixel == 0 && same) max_pixel = model.input.max_pixel;
  const std::string& source = name.empty() ? model.input.data : name;
  Announce announce("reading " + source);
  Dataset data = load_data_part(source, part == "test" ? DataPart::test : DataPart::train, max_pixel);
  announce.done();
  say_guess(data);
  if (const std::string why = misfit(model, data); !why.empty())
    throw Error(fmt::format("{}: {}", path.string(), why));
  return data;
}

void say_guess(const Dataset& data) {
  if (!data.max_pixel_guessed) return;
  const int largest = *std::ranges::max_element(data.images);
  fmt::print(stderr, "softwarp: {}: no pixel is above {}, taken as 0 to {} (--max-pixel decides)\n",
             data.name, largest, data.max_pixel);
}

CLI::Option* add_max_pixel(CLI::App& command, std::int64_t& max_pixel) {
  return command
      .add_option("--max-pixel", max_pixel,
                  "The pixels' largest value, 1 to 255; by default as the data has it")
      ->check(count_in(1, 255));
}

}  // namespace softwarp::program
