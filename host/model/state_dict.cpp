// Networks that other programs saved: names and shapes of tensors are all that is known of their layers.
#include "host/model/state_dict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <utility>

#include "host/io/half.h"

namespace softwarp {
namespace {

// A linear layer's tensors, whose names are `stem` and "weight" or "bias".
struct Layer {
  std::string stem;
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;

  std::int64_t inputs() const { return weight->shape[1]; }
  std::int64_t outputs() const { return weight->shape[0]; }
};

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& expected,
                       const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", path.string(), expected, found));
}

std::string shown(const Tensor& tensor) {
  return fmt::format("{} [{}]", shown_name(tensor.name), fmt::join(tensor.shape, ", "));
}

// The name as far as its last word, if that is this one and stands alone.
bool ends_in(const std::string& name, std::string_view word, std::string& stem) {
  if (!name.ends_with(word)) return false;
  stem = name.substr(0, name.size() - word.size());
  return stem.empty() || stem.ends_with('.');
}

// Text by which layer10 comes after layer2.
std::string natural_key(std::string_view name) {
  constexpr std::size_t kDigits = 20;
  std::string key;
  while (!name.empty()) {
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    if (digits < kDigits && digits > 0) key.append(kDigits - digits, '0');
    const std::size_t taken = std::max<std::size_t>(digits, 1);
    key += name.substr(0, taken);
    name.remove_prefix(taken);
  }
  return key;
}

std::vector<Layer> layers_in(const std::filesystem::path& path, const SafetensorsFile& file) {
  std::map<std::pair<std::string, std::string>, Layer> layers;
  const Tensor* other = nullptr;
  for (const Tensor& tensor : file.tensors) {
    std::string stem;
    const bool is_weight = ends_in(tensor.name, "weight", stem);
    if (!is_weight && !ends_in(tensor.name, "bias", stem)) {
      other = &tensor;
      continue;
    }
    expect_floating(path, tensor);
    Layer& layer = layers[{natural_key(stem), stem}];
    layer.stem = stem;
    (is_weight ? layer.weight : layer.bias) = &tensor;
  }
  if (other != nullptr)
    fail(path, "the weight and bias of linear layers alone, such as fc1.weight or 0.weight", shown(*other));
  if (layers.empty()) fail(path, "a network", "no tensor");
  std::vector<Layer> list;
  list.reserve(layers.size());
  for (auto& [key, layer] : layers) list.push_back(std::move(layer));
  return list;
}

void check_layer(const std::filesystem::path& path, const Layer& layer) {
  if (layer.weight == nullptr)
    fail(path, shown_name(layer.stem + "weight") + " beside " + shown_name(layer.bias->name), "none");
  const auto& weight = layer.weight->shape;
  if (weight.size() != 2)
    fail(path, "a linear layer's weight [outputs, inputs]",
         shown(*layer.weight) + (weight.size() == 1  ? ", as normalisation has"
                                 : weight.size() > 2 ? ", as a convolution has"
                                                     : ""));
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  if (std::min(weight[0], weight[1]) < 1 || std::max(weight[0], weight[1]) > kMost)
    fail(path, "1 to 2^24 outputs and inputs", shown(*layer.weight));
  if (layer.bias == nullptr)
    fail(path, shown_name(layer.stem + "bias") + " beside " + shown_name(layer.weight->name), "none");
  if (layer.bias->shape == std::vector(1, weight[0])) return;
  const bool transposed = layer.bias->shape == std::vector{weight[1]};
  fail(path, "a weight [outputs, inputs] and a bias [outputs]",
       fmt::format("{} and {}{}", shown(*layer.weight), shown(*layer.bias),
                   transposed ? ": transposed, as TensorFlow has its kernels" : ""));
}

// The first layer that does not take what the one before it gives.
std::vector<Layer>::const_iterator break_in(const std::vector<Layer>& layers) {
  const auto left = std::ranges::adjacent_find(
      layers, [](const Layer& a, const Layer& b) { return a.outputs() != b.inputs(); });
  return left == layers.end() ? left : left + 1;
}

// In the order of their names; if their shapes do not allow that, in the one order that they do.
std::vector<Layer> chained(const std::filesystem::path& path, const std::vector<Layer>& layers) {
  constexpr std::size_t kMost = 8;  // of which there are 40320 orders
  const auto wrong = break_in(layers);
  if (wrong == layers.end()) return layers;
  std::vector<std::size_t> order(layers.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<Layer> found;
  int orders = 0;
  while (layers.size() <= kMost && std::ranges::next_permutation(order).found) {
    std::vector<Layer> list;
    list.reserve(order.size());
    for (const std::size_t i : order) list.push_back(layers[i]);
    if (break_in(list) == list.end() && ++orders == 1) found = std::move(list);
  }
  if (orders == 1) return found;
  fail(path, "layers of which each takes what the one before it gives",
       fmt::format("{} before {}", shown(*(wrong - 1)->weight), shown(*wrong->weight)));
}

template <class T, class Convert>
void convert_all(const Tensor& tensor, std::span<float> to, Convert convert) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    T value;
    std::memcpy(&value, tensor.data.data() + i * sizeof(T), sizeof(T));
    to[i] = convert(value);
  }
}

}  // namespace

void expect_floating(const std::filesystem::path& path, const Tensor& tensor) {
  for (const char* dtype : {"F32", "F16", "BF16", "F64"})
    if (tensor.dtype == dtype) return;
  fail(path, shown_name(tensor.name) + " as F32, F16, BF16 or F64", tensor.dtype);
}

void copy_floats(const Tensor& tensor, std::span<float> to) {
  if (tensor.dtype == "F32")
    std::memcpy(to.data(), tensor.data.data(), tensor.data.size());
  else if (tensor.dtype == "F16")
    convert_all<std::uint16_t>(tensor, to,
                               [](std::uint16_t bits) { return static_cast<float>(from_half(bits)); });
  else if (tensor.dtype == "BF16")
    convert_all<std::uint16_t>(
        tensor, to, [](std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); });
  else
    convert_all<double>(tensor, to, [](double value) { return static_cast<float>(value); });
}

Model from_state_dict(const std::filesystem::path& path, const SafetensorsFile& file, Activation activation) {
  std::vector<Layer> layers = layers_in(path, file);
  for (const Layer& layer : layers) check_layer(path, layer);
  layers = chained(path, layers);
  Model model;
  model.shape.inputs = layers.front().inputs();
  model.shape.classes = layers.back().outputs();
  model.shape.activation = activation;
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) model.shape.hidden.push_back(layers[i].outputs());
  const ParameterLayout layout(model.shape);
  model.values.resize(static_cast<std::size_t>(layout.size));
  const auto place = [&](const ParameterTensor& tensor) {
    return std::span(model.values)
        .subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(tensor.size()));
  };
  for (std::size_t i = 0; i < layers.size(); ++i) {
    copy_floats(*layers[i].weight, place(layout.weight(static_cast<std::int64_t>(i))));
    copy_floats(*layers[i].bias, place(layout.bias(static_cast<std::int64_t>(i))));
  }
  return model;
}

}  // namespace softwarp
