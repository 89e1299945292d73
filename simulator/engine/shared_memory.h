#pragma once

// A block's shared memory. `__shared__` is `thread_local`, so that everything shared lies in the program's
// one block of thread-local storage: there it is while its block runs, and in a SharedImage otherwise.

#include <cstddef>
#include <vector>

namespace softwarp::simulator {

constexpr std::size_t kLargestShared = std::size_t{256} << 10;

// The shared memory of a block of a cluster that does not run.
struct SharedImage {
  std::vector<std::byte> variables;
  std::vector<std::byte> dynamic;
};

// Around a launch: puts aside the host's own thread-local variables, and puts them back.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t dynamic_bytes);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void fill_with_nan();  // what a new block finds
  void save(SharedImage& image) const;
  void restore(const SharedImage& image);
  // True if somebody has written behind the dynamic part.
  bool overrun() const;

 private:
  std::size_t dynamic_bytes_;
  SharedImage host_;
};

// The place in an image of `pointer`, which is into the running block's shared memory; null if it is not.
void* in_image(SharedImage& image, const void* pointer);
bool is_shared(const void* pointer, std::size_t bytes, std::size_t dynamic_bytes);

}  // namespace softwarp::simulator
