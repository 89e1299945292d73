#pragma once

/// @file
/// Device memory that a call uses beside its arguments, and CUDA's stream type.

#include <cstddef>

struct CUstream_st;
/// CUDA's stream, declared as CUDA declares it, so that these headers compile without the toolkit.
using cudaStream_t = CUstream_st*;

namespace softwarp {

/// Device memory that a call uses beside its arguments, as in cuDNN and cuBLAS. The caller owns it. One call
/// uses it at a time: calls on one stream may share it, calls on two streams may not.
struct Workspace {
  void* data = nullptr;   ///< device memory, aligned to 16 bytes; null: none
  std::size_t bytes = 0;  ///< its size
};

/// Bytes of the workspace with which softmax and its backward split rows over blocks; so many serve every
/// device. Its content does not matter. Rows are split if they are so few and long that one launch would
/// leave most of the GPU idle. Two launches then read such rows twice, and the last bits of a row may depend
/// on the number of rows.
inline constexpr std::size_t kSplitRowWorkspaceBytes = 64 << 10;

}  // namespace softwarp
