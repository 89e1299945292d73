#include "host/program/trained_model.h"

#include <fmt/format.h>
#include <softwarp/error.h>

namespace softwarp::program {

std::filesystem::path model_path(const std::string& model) {
  std::filesystem::path path(model);
  if (std::filesystem::is_directory(path)) return path / "model.safetensors";
  if (!std::filesystem::exists(path))
    throw Error(
        fmt::format("{}: expected a training's directory or a model.safetensors, found neither (softwarp "
                    "train writes both)",
                    path.string()));
  return path;
}

void check_fit(const std::filesystem::path& path, const Model& model, const Dataset& data) {
  if (data.height != model.input.height || data.width != model.input.width)
    throw Error(fmt::format("{}: expected images of {}x{}, found {}x{} in {}", path.string(),
                            model.input.height, model.input.width, data.height, data.width, data.name));
  if (data.classes > model.shape.classes)
    throw Error(fmt::format("{}: expected at most {} classes, found {} in {}", path.string(),
                            model.shape.classes, data.classes, data.name));
}

}  // namespace softwarp::program
