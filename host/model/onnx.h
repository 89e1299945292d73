#pragma once

#include <softwarp/mlp.h>

#include <string>

namespace softwarp {

// The bytes of write_onnx's file: a ModelProto of onnx.proto.
[[nodiscard]] std::string to_onnx(const Model& model);

}  // namespace softwarp
