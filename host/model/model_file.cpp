#include "host/model/model_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "host/io/safetensors.h"
#include "host/model/names.h"

namespace softwarp {
namespace {

std::vector<std::int64_t> shape_of(const ParameterTensor& tensor) {
  if (tensor.is_bias()) return {tensor.rows};
  return {tensor.rows, tensor.cols};
}

// The metadata of one file, with errors that name it.
class Metadata {
 public:
  Metadata(const std::filesystem::path& path, const SafetensorsFile& file) : path_(path), file_(file) {}

  const std::string& text(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) fail(key, "an entry", "none");
    return found->second;
  }

  std::int64_t number(const std::string& key) const { return parse(key, text(key)); }

  std::vector<std::int64_t> numbers(const std::string& key, char separator) const {
    std::vector<std::int64_t> numbers;
    std::string_view rest = text(key);
    while (true) {
      const std::size_t end = rest.find(separator);
      numbers.push_back(parse(key, rest.substr(0, end)));
      if (end == std::string_view::npos) return numbers;
      rest.remove_prefix(end + 1);
    }
  }

  [[noreturn]] void fail(const std::string& key, const std::string& expected,
                         const std::string& found) const {
    throw Error(fmt::format("{}: expected {} \"{}\" in the metadata of a softwarp model, found {}",
                            path_.string(), expected, key, found));
  }

 private:
  std::int64_t parse(const std::string& key, std::string_view text) const {
    constexpr std::int64_t kMost = std::int64_t{1} << 24;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > kMost)
      fail(key, "a number of 1 to 2^24 as", fmt::format("\"{}\"", text));
    return value;
  }

  const std::filesystem::path& path_;
  const SafetensorsFile& file_;
};

MlpShape read_shape(const Metadata& metadata) {
  const std::vector<std::int64_t> widths = metadata.numbers("layers", '-');
  if (widths.size() < 2 || widths.size() > 1000)
    metadata.fail("layers", "2 to 1000 widths as", metadata.text("layers"));
  MlpShape shape;
  shape.inputs = widths.front();
  shape.hidden.assign(widths.begin() + 1, widths.end() - 1);
  shape.classes = widths.back();
  const std::string& activation = metadata.text("activation");
  for (const auto& [name, kind] : names_of(Activation{}))
    if (name == activation) {
      shape.activation = kind;
      return shape;
    }
  metadata.fail("activation", "a known", activation);
}

std::vector<std::string> read_class_names(const Metadata& metadata, const SafetensorsFile& file,
                                          std::int64_t classes) {
  if (!file.metadata.contains("class_names")) return {};
  const auto json = nlohmann::json::parse(metadata.text("class_names"), nullptr, /*allow_exceptions=*/false);
  const auto fail = [&](const std::string& found) {
    metadata.fail("class_names", fmt::format("a JSON list of {} names as", classes), found);
  };
  if (!json.is_array()) fail("something else");
  if (std::ssize(json) != classes) fail(fmt::format("{}", json.size()));
  std::vector<std::string> names;
  for (const nlohmann::json& name : json) {
    if (!name.is_string() || !is_class_name(name.get<std::string>())) fail("something else among them");
    names.push_back(name.get<std::string>());
  }
  return names;
}

void read_values(const std::filesystem::path& path, const SafetensorsFile& file,
                 const ParameterLayout& layout, std::vector<float>& values) {
  if (file.tensors.size() != layout.tensors.size())
    throw Error(fmt::format("{}: expected {} tensors, found {}", path.string(), layout.tensors.size(),
                            file.tensors.size()));
  for (const ParameterTensor& tensor : layout.tensors) {
    const Tensor* stored = file.find(tensor.name);
    if (stored == nullptr)
      throw Error(fmt::format("{}: expected a tensor {}, found none", path.string(), tensor.name));
    if (stored->dtype != "F32" || stored->shape != shape_of(tensor))
      throw Error(fmt::format("{}: expected {} as F32 [{}], found {} [{}]", path.string(), tensor.name,
                              fmt::join(shape_of(tensor), ", "), stored->dtype,
                              fmt::join(stored->shape, ", ")));
    std::memcpy(values.data() + tensor.offset, stored->data.data(), stored->data.size());
  }
}

}  // namespace

bool is_class_name(std::string_view name) {
  return !name.empty() && std::ranges::none_of(name, [](unsigned char c) { return c < ' ' || c == 127; });
}

SafetensorsFile to_safetensors(const Model& model) {
  SafetensorsFile file;
  file.metadata = {{"format", "pt"},
                   {"layers", model.shape.text()},
                   {"activation", std::string(name_of(model.shape.activation))},
                   {"classes", fmt::format("{}", model.shape.classes)},
                   {"data", model.input.data},
                   {"image", fmt::format("{}x{}", model.input.height, model.input.width)},
                   {"max_pixel", fmt::format("{}", model.input.max_pixel)}};
  if (const auto& names = model.input.class_names; !names.empty()) {
    expects(std::ssize(names) == model.shape.classes, "a name for each class, or none");
    constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
    file.metadata["class_names"] = nlohmann::json(names).dump(-1, ' ', false, kReplace);
  }
  for (const ParameterTensor& tensor : ParameterLayout(model.shape).tensors) {
    const auto* first = reinterpret_cast<const std::byte*>(model.values.data() + tensor.offset);
    file.tensors.push_back({.name = tensor.name,
                            .dtype = "F32",
                            .shape = shape_of(tensor),
                            .data = {first, first + tensor.size() * std::int64_t{sizeof(float)}}});
  }
  return file;
}

Model from_safetensors(const std::filesystem::path& path, const SafetensorsFile& file) {
  const Metadata metadata(path, file);
  Model model;
  model.shape = read_shape(metadata);
  const std::vector<std::int64_t> image = metadata.numbers("image", 'x');
  if (image.size() != 2 || image[0] * image[1] != model.shape.inputs)
    metadata.fail("image", fmt::format("height x width of {} pixels as", model.shape.inputs),
                  metadata.text("image"));
  model.input = {.data = metadata.text("data"),
                 .height = image[0],
                 .width = image[1],
                 .max_pixel = static_cast<int>(std::min<std::int64_t>(metadata.number("max_pixel"), 255)),
                 .class_names = read_class_names(metadata, file, model.shape.classes)};

  // Checked before anything of the promised size is asked for.
  std::size_t stored = 0;
  for (const Tensor& tensor : file.tensors) stored += tensor.data.size();
  const ParameterLayout layout(model.shape);
  if (static_cast<std::size_t>(layout.parameters) * sizeof(float) != stored)
    throw Error(fmt::format("{}: expected {} parameters for {}, found {}", path.string(), layout.parameters,
                            model.shape.text(), stored / sizeof(float)));
  model.values.resize(static_cast<std::size_t>(layout.size));
  read_values(path, file, layout, model.values);
  return model;
}

void write_model(const std::filesystem::path& path, const Model& model) {
  write_safetensors(path, to_safetensors(model));
}

Model read_model(const std::filesystem::path& path) {
  const SafetensorsFile file = read_safetensors(path);
  if (file.metadata.contains("history"))
    throw Error(fmt::format(
        "{}: expected a model, found a training's checkpoint (softwarp train --resume goes on with it and "
        "writes model.safetensors)",
        path.string()));
  Model model = from_safetensors(path, file);
  for (const ParameterTensor& tensor : ParameterLayout(model.shape).tensors) {
    const auto first = model.values.begin() + tensor.offset, last = first + tensor.size();
    const auto wrong = std::find_if(first, last, [](float value) { return !std::isfinite(value); });
    if (wrong != last)
      throw Error(
          fmt::format("{}: expected finite numbers, found {} in {}", path.string(), *wrong, tensor.name));
  }
  return model;
}

std::string misfit(const Model& model, const Dataset& data) {
  const InputFormat& input = model.input;
  if (data.height != input.height || data.width != input.width)
    return fmt::format("expected images of {}x{}, found {}x{} in {}", input.height, input.width, data.height,
                       data.width, data.name);
  if (data.classes > model.shape.classes)
    return fmt::format("expected at most {} classes, found {} in {}", model.shape.classes, data.classes,
                       data.name);
  return "";
}

}  // namespace softwarp
