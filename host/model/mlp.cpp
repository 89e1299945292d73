#include "host/model/mlp.h"

#include <softwarp/error.h>

#include <cmath>

#include "core/random.h"

namespace softwarp {
namespace {

double gain(Activation activation) {
  switch (activation) {
    case Activation::relu:
    case Activation::gelu: return std::sqrt(2.0);
    case Activation::tanh: return 5.0 / 3.0;
    default: return 1.0;
  }
}

void fill_uniform(std::span<float> values, double bound, std::uint64_t seed, std::uint32_t tensor) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const RandomWords words = random_words(seed, RandomPurpose::initial_weights, tensor, 0, i / 4);
    values[i] = static_cast<float>(bound * (2.0 * uniform(words[i % 4]) - 1.0));
  }
}

}  // namespace

Mlp::Mlp(Backend& backend, const MlpShape& shape)
    : backend_(&backend), shape_(shape), layout_(shape), values_(backend.make_array<float>(layout_.size)) {}

void Mlp::initialize(Initialization kind, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(layout_.size));
  for (std::size_t t = 0; t < layout_.tensors.size(); ++t) {
    const ParameterTensor& tensor = layout_.tensors[t];
    if (kind == Initialization::kaiming && tensor.is_bias()) continue;
    const bool last = t + 2 >= layout_.tensors.size();
    const double scale =
        kind == Initialization::uniform ? 1.0 : std::sqrt(3.0) * (last ? 1.0 : gain(shape_.activation));
    fill_uniform(std::span(values).subspan(static_cast<std::size_t>(tensor.offset),
                                           static_cast<std::size_t>(tensor.size())),
                 scale / std::sqrt(static_cast<double>(tensor.fan_in)), seed, static_cast<std::uint32_t>(t));
  }
  set_values(values);
}

std::vector<float> Mlp::values() const {
  std::vector<float> values(static_cast<std::size_t>(layout_.size));
  backend_->download<float>(values_.data(), values);
  return values;
}

void Mlp::set_values(std::span<const float> values) {
  expects(static_cast<std::int64_t>(values.size()) == layout_.size, "values for the whole buffer");
  backend_->upload(values, values_.data());
}

}  // namespace softwarp
