#pragma once

#include <cstddef>
#include <vector>

#include "host/backend/cuda/handles.h"

namespace softwarp::cuda {

// A run's memory on the device, in a few large pieces: each new one is as large as all before it together, up
// to 256 MiB, if there is so much, so that asking CUDA for memory ends with the set-up. What is handed out is
// aligned to 256 bytes and zeroed in the order of the stream; a piece is used again once all of it has come
// back.
class Arena {
 public:
  explicit Arena(cudaStream_t stream) : stream_(stream) {}

  // Throws Error, with what was asked for and what is free, where the device has no more.
  [[nodiscard]] void* allocate(std::size_t bytes);
  void deallocate(void* memory) noexcept;

 private:
  struct Piece {
    DeviceMemory memory;
    std::size_t size = 0;
    std::size_t used = 0;
    std::size_t parts = 0;  // handed out and not yet back

    char* begin() const { return static_cast<char*>(memory.get()); }
    std::size_t room() const { return size - used; }
  };

  Piece& piece_with(std::size_t bytes);

  cudaStream_t stream_;
  std::vector<Piece> pieces_;
};

}  // namespace softwarp::cuda
