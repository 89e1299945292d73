#pragma once

#include <softwarp/mlp.h>

#include <filesystem>

#include "host/io/safetensors.h"

namespace softwarp {

// read_model and write_model without the file; `path` is for errors. Metadata that a model does not have is
// left alone.
[[nodiscard]] SafetensorsFile to_safetensors(const Model& model);
[[nodiscard]] Model from_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace softwarp
