#include <softwarp/error.h>
#include <softwarp/mlp.h>

#include <fmt/format.h>

namespace softwarp {
namespace {

constexpr std::int64_t kAlignment = 256 / sizeof(float);

std::int64_t aligned(std::int64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

std::int64_t MlpShape::width(std::int64_t i) const {
  if (i == 0) return inputs;
  return i == layers() ? classes : hidden[static_cast<std::size_t>(i - 1)];
}

std::string MlpShape::text() const {
  std::string text = fmt::format("{}", inputs);
  for (std::int64_t i = 1; i <= layers(); ++i) text += fmt::format("-{}", width(i));
  return text;
}

ParameterLayout::ParameterLayout(const MlpShape& shape) {
  for (std::int64_t i = 0; i <= shape.layers(); ++i) expects(shape.width(i) > 0, "layers wider than zero");
  for (std::int64_t i = 0; i < shape.layers(); ++i) {
    const std::int64_t inputs = shape.width(i), outputs = shape.width(i + 1);
    tensors.push_back({fmt::format("fc{}.weight", i + 1), 0, outputs, inputs, inputs});
    tensors.push_back({fmt::format("fc{}.bias", i + 1), 0, outputs, 0, inputs});
  }
  for (const bool biases : {false, true}) {
    for (ParameterTensor& tensor : tensors) {
      if (tensor.is_bias() != biases) continue;
      tensor.offset = size;
      size += aligned(tensor.size());
      parameters += tensor.size();
    }
    if (!biases) decayed = size;
  }
}

}  // namespace softwarp
