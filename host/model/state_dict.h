#pragma once

#include <softwarp/mlp.h>

#include <filesystem>
#include <span>

#include "host/io/safetensors.h"

namespace softwarp {

// Throws Error, which names the file, unless the tensor is of F32, F16, BF16 or F64.
void expect_floating(const std::filesystem::path& path, const Tensor& tensor);

// The elements of such a tensor, each as the nearest float; infinity where there is none.
void copy_floats(const Tensor& tensor, std::span<float> to);

// read_state_dict without the file; `path` is for errors.
[[nodiscard]] Model from_state_dict(const std::filesystem::path& path, const SafetensorsFile& file,
                                    Activation activation);

}  // namespace softwarp
