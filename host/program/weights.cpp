#include "host/program/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include "host/program/options.h"

namespace softwarp::program {

void WeightsOptions::add_to(CLI::App& command) {
  command
      .add_option("--weights", file,
                  "Begin with this model, softwarp's or a state dict as safetensors, and with its layers")
      ->type_name(kModelType)
      ->group("Network");
  foreign.add_normalization_to(command)->group("Network");
}

std::optional<Model> read_weights(const CLI::App& command, WeightsOptions options,
                                  TrainingSettings& settings) {
  const auto given = [&](const char* flag) { return command.get_option(flag)->count() > 0; };
  if (!given("--weights") && given("--normalize"))
    throw CLI::ValidationError("--normalize", "expected --weights of another program, found none");
  if (!given("--weights")) return std::nullopt;
  if (given("--resume"))
    throw CLI::ValidationError(
        "--weights", fmt::format("expected none with --resume, which goes on with its checkpoint's, found {}",
                                 options.file));
  const std::filesystem::path path = model_path(options.file);
  if (given("--activation")) options.foreign.activation = settings.activation;
  Model model = open_model(path, options.foreign);
  std::vector<std::int64_t> hidden = settings.hidden;
  settle_hidden(hidden);
  if (given("--hidden") && hidden != model.shape.hidden)
    throw Error(fmt::format("--hidden: expected the layers of {}, {}, found {}", path.string(),
                            model.shape.text(), fmt::join(settings.hidden, ",")));
  settings.hidden = model.shape.hidden;
  settings.activation = model.shape.activation;
  return model;
}

void expect_fit(const WeightsOptions& options, const Model& weights, const Dataset& data) {
  if (weights.shape.inputs != data.pixels() || weights.shape.classes != data.classes)
    throw Error(fmt::format("{}: expected {} inputs and {} classes, as {} has, found the layers {}",
                            options.file, data.pixels(), data.classes, data.name, weights.shape.text()));
}

}  // namespace softwarp::program
