#pragma once

#include <softwarp/dataset.h>
#include <softwarp/mlp.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "host/io/safetensors.h"

namespace softwarp {

// Why the network cannot take the data's images: "expected ..., found ...". Empty: it can.
[[nodiscard]] std::string misfit(const Model& model, const Dataset& data);

// Text that can be shown in one line.
[[nodiscard]] bool is_class_name(std::string_view name);

// A framing as in a model's metadata: "whole", "box 1", "mass 0.75 dark-on-light".
[[nodiscard]] std::string text_of(const Framing& framing);

// Reads a model, or a state dict, whose activation is then this one and whose input has no height.
[[nodiscard]] Model read_model_or_state_dict(const std::filesystem::path& path, Activation activation);

// The properties of a model other than its parameters, as docs/library.md lists them.
[[nodiscard]] std::map<std::string, std::string> metadata_of(const Model& model);

// read_model and write_model without the file; `path` is for errors. Metadata that a model does not have is
// left alone.
[[nodiscard]] SafetensorsFile to_safetensors(const Model& model);
[[nodiscard]] Model from_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace softwarp
