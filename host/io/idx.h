#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace softwarp {

// An array of bytes as the MNIST files store it (http://yann.lecun.com/exdb/mnist): a magic number
// naming element type and rank, the dimensions as big-endian 32-bit numbers, the elements row by row.
struct IdxArray {
  std::vector<std::int64_t> dimensions;
  std::vector<std::uint8_t> bytes;
};

// Reads a file of unsigned bytes, of rank 1 (labels) or 3 (images: count, height, width), plain or
// gzipped; for labels also 32-bit numbers, of rank 1 or QMNIST's rank 2, whose first column is the label.
// Throws Error, naming file, what was expected and what was found, unless the file holds
// exactly what its header declares. Memory stays in proportion to the bytes really there, whatever
// the header declares.
[[nodiscard]] IdxArray read_idx(const std::filesystem::path& path, int rank);

}  // namespace softwarp
