#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace softwarp {

// A tensor as a file stores it: row-major, little-endian, its type a name such as F32 or I64.
struct Tensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::vector<Tensor> tensors;  // as their data lies in the file

  // Null if there is none.
  [[nodiscard]] const Tensor* find(std::string_view name) const;
};

// A tensor's name for a message: it may be anything, of any length.
[[nodiscard]] std::string shown_name(std::string_view name);

// The safetensors format (github.com/huggingface/safetensors): 8 bytes with the header's length, a JSON
// header with each tensor's type, shape and place, then the tensors without gaps. What the reference
// implementation refuses is refused here, and so are duplicate names: throws Error naming the file, what was
// expected and what was found. Memory is asked for only when the header has been found to fit the file.
[[nodiscard]] SafetensorsFile read_safetensors(const std::filesystem::path& path);

// Equal files give equal bytes, and each tensor lies at a multiple of its element's size: larger elements
// come first, otherwise the order is kept. Text that is not UTF-8 is stored with replacement characters. The
// file is written as a whole or not at all. Throws std::invalid_argument for tensors whose type is
// unknown, whose data does not fit their shape, or whose name is taken.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace softwarp
