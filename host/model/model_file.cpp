#include "host/model/model_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "host/io/safetensors.h"
#include "host/model/names.h"
#include "host/model/state_dict.h"

namespace softwarp {
namespace {

std::vector<std::int64_t> shape_of(const ParameterTensor& tensor) {
  if (tensor.is_bias()) return {tensor.rows};
  return {tensor.rows, tensor.cols};
}

// As the data says, which is there.
std::int64_t elements_of(const Tensor& tensor) {
  const std::size_t size = tensor.dtype == "F64" ? 8 : tensor.dtype == "F32" ? 4 : 2;
  return static_cast<std::int64_t>(tensor.data.size() / size);
}

// "mass 0.7142857142857143", with " dark-on-light" behind it where that is so; or "whole".
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

// Files of softwarp 0.2 do not say it; they have it by the data's name.
Framing read_framing(const Metadata& metadata, const SafetensorsFile& file, const std::string& data) {
  if (!file.metadata.contains("framing")) {
    if (data == "mnist") return {.kind = Framing::Kind::mass, .share = 20.0 / 28};
    const bool fills = data == "digits" || data == "fashion-mnist";
    return fills ? Framing{.kind = Framing::Kind::box} : Framing{};
  }
  std::string_view text = metadata.text("framing");
  if (text == "whole") return {};
  Framing framing{.kind = text.starts_with("mass ") ? Framing::Kind::mass : Framing::Kind::box};
  constexpr std::string_view kDark = " dark-on-light";
  framing.dark_on_light = text.ends_with(kDark);
  if (framing.dark_on_light) text.remove_suffix(kDark.size());
  const bool known = text.starts_with("mass ") || text.starts_with("box ");
  text.remove_prefix(std::min(text.size(), text.find(' ') + 1));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), framing.share);
  if (!known || error != std::errc() || end != text.data() + text.size() || !(framing.share > 0.01) ||
      framing.share > 1)
    metadata.fail("framing", "whole, or box or mass and a share, as", metadata.text("framing"));
  return framing;
}

std::uint32_t read_checksum(const Metadata& metadata, const SafetensorsFile& file, const char* key) {
  if (!file.metadata.contains(key)) return 0;
  const std::string& text = metadata.text(key);
  std::uint32_t sum = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), sum);
  if (error != std::errc() || end != text.data() + text.size()) metadata.fail(key, "a CRC-32 as", text);
  return sum;
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
    if (stored->shape != shape_of(tensor))
      throw Error(fmt::format("{}: expected {} [{}], found [{}]", path.string(), tensor.name,
                              fmt::join(shape_of(tensor), ", "), fmt::join(stored->shape, ", ")));
    copy_floats(*stored, std::span(values).subspan(static_cast<std::size_t>(tensor.offset),
                                                   static_cast<std::size_t>(tensor.size())));
  }
}

}  // namespace

bool is_class_name(std::string_view name) {
  return !name.empty() && std::ranges::none_of(name, [](unsigned char c) { return c < ' ' || c == 127; });
}

std::map<std::string, std::string> metadata_of(const Model& model) {
  std::map<std::string, std::string> metadata{
      {"layers", model.shape.text()},
      {"activation", std::string(name_of(model.shape.activation))},
      {"classes", fmt::format("{}", model.shape.classes)},
      {"data", model.input.data},
      {"image", fmt::format("{}x{}", model.input.height, model.input.width)},
      {"max_pixel", fmt::format("{}", model.input.max_pixel)},
      {"framing", text_of(model.input.framing)}};
  if (model.input.train_checksum != 0)
    metadata["train_checksum"] = fmt::format("{}", model.input.train_checksum);
  if (model.input.test_checksum != 0)
    metadata["test_checksum"] = fmt::format("{}", model.input.test_checksum);
  if (const auto& names = model.input.class_names; !names.empty()) {
    expects(std::ssize(names) == model.shape.classes, "a name for each class, or none");
    constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
    metadata["class_names"] = nlohmann::json(names).dump(-1, ' ', false, kReplace);
  }
  return metadata;
}

SafetensorsFile to_safetensors(const Model& model) {
  SafetensorsFile file;
  file.metadata = metadata_of(model);
  file.metadata["format"] = "pt";
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
                 .class_names = read_class_names(metadata, file, model.shape.classes),
                 .framing = read_framing(metadata, file, metadata.text("data")),
                 .train_checksum = read_checksum(metadata, file, "train_checksum"),
                 .test_checksum = read_checksum(metadata, file, "test_checksum")};

  // Checked before anything of the promised size is asked for.
  std::int64_t stored = 0;
  for (const Tensor& tensor : file.tensors) {
    expect_floating(path, tensor);
    stored += elements_of(tensor);
  }
  const ParameterLayout layout(model.shape);
  if (layout.parameters != stored)
    throw Error(fmt::format("{}: expected {} parameters for {}, found {}", path.string(), layout.parameters,
                            model.shape.text(), stored));
  model.values.resize(static_cast<std::size_t>(layout.size));
  read_values(path, file, layout, model.values);
  return model;
}

void write_model(const std::filesystem::path& path, const Model& model) {
  write_safetensors(path, to_safetensors(model));
}

namespace {

SafetensorsFile read_no_checkpoint(const std::filesystem::path& path) {
  SafetensorsFile file = read_safetensors(path);
  if (file.metadata.contains("history"))
    throw Error(fmt::format(
        "{}: expected a model, found a training's checkpoint (softwarp train --resume goes on with it and "
        "writes model.safetensors)",
        path.string()));
  return file;
}

Model finite(const std::filesystem::path& path, Model model) {
  for (const ParameterTensor& tensor : ParameterLayout(model.shape).tensors) {
    const auto first = model.values.begin() + tensor.offset, last = first + tensor.size();
    const auto wrong = std::find_if(first, last, [](float value) { return !std::isfinite(value); });
    if (wrong != last)
      throw Error(
          fmt::format("{}: expected finite numbers, found {} in {}", path.string(), *wrong, tensor.name));
  }
  return model;
}

}  // namespace

Model read_model(const std::filesystem::path& path) {
  return finite(path, from_safetensors(path, read_no_checkpoint(path)));
}

Model read_state_dict(const std::filesystem::path& path, Activation activation) {
  return finite(path, from_state_dict(path, read_no_checkpoint(path), activation));
}

Model read_model_or_state_dict(const std::filesystem::path& path, Activation activation) {
  const SafetensorsFile file = read_no_checkpoint(path);
  const bool ours = file.metadata.contains("layers");
  return finite(path, ours ? from_safetensors(path, file) : from_state_dict(path, file, activation));
}

std::string text_of(const Framing& framing) {
  if (framing.kind == Framing::Kind::whole) return "whole";
  return fmt::format("{} {}{}", framing.kind == Framing::Kind::mass ? "mass" : "box", framing.share,
                     framing.dark_on_light ? " dark-on-light" : "");
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
