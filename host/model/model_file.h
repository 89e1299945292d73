#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/model/mlp.h"
#include "host/model/safetensors.h"

namespace softwarp {

// Properties of the images that a model was trained on.
struct InputFormat {
  std::string data;  // the data set's name
  std::int64_t height = 0;
  std::int64_t width = 0;
  int max_pixel = 255;  // a pixel's value divided by this is the network's input
};

// A trained network on the host; `values` is laid out as ParameterLayout(shape) says.
struct Model {
  MlpShape shape;
  InputFormat input;
  std::vector<float> values;
};

// safetensors: fc1.weight [outputs, inputs], fc1.bias [outputs], ... as PyTorch's nn.Linear, float32; shape,
// activation, normalisation and class count in the metadata. Throws Error naming the file, what was expected
// and what was found; nothing half-written stays behind.
void write_model(const std::filesystem::path& path, const Model& model);
[[nodiscard]] Model read_model(const std::filesystem::path& path);

// The same without the file; `path` is for errors. Metadata that a model does not have is left alone.
[[nodiscard]] SafetensorsFile to_safetensors(const Model& model);
[[nodiscard]] Model from_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace softwarp
