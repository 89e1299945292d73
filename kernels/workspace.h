#pragma once

#include <cstddef>

namespace softwarp {

// Memory of the device that a call may use beside its arguments, as cuDNN and cuBLAS call it; for one call at
// a time.
struct Workspace {
  void* data = nullptr;
  std::size_t bytes = 0;
};

// Softmax and its backward split rows over blocks where rows are so few and long that a launch would leave
// most of the GPU idle and there is a workspace, whatever its content: two launches, which read such rows
// twice. A row's result may then depend, in its last bits, on how many rows there are. So many bytes serve
// every device there is.
inline constexpr std::size_t kSplitRowWorkspaceBytes = 64 << 10;

}  // namespace softwarp
