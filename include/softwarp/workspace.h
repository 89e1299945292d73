#pragma once

#include <cstddef>

struct CUstream_st;
/// CUDA's own declaration, so that these headers compile without the toolkit.
using cudaStream_t = CUstream_st*;

namespace softwarp {

/// Memory of the device that a call may use beside its arguments, as cuDNN and cuBLAS call it; for one call
/// at a time.
struct Workspace {
  void* data = nullptr;   ///< device memory, aligned to 256 bytes; null: none
  std::size_t bytes = 0;  ///< its size
};

/// The workspace with which softmax and its backward split rows over blocks, where rows are so few and long
/// that a launch would leave most of the GPU idle: two launches, which read such rows twice. Its content does
/// not matter. A row's result may then depend, in its last bits, on how many rows there are. So many bytes
/// serve every device.
inline constexpr std::size_t kSplitRowWorkspaceBytes = 64 << 10;

}  // namespace softwarp
