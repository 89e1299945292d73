#pragma once

#include <softwarp/error.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>

// One file a reader. libFuzzer calls LLVMFuzzerTestOneInput with bytes of its own making; whatever they are,
// a reader takes them or throws Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace softwarp {

// A file in memory with these bytes, for readers that want a path.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const;

 private:
  int descriptor_;
};

// Runs the reader; anything but an Error of one line ends the process.
template <class Reader>
void expect_value_or_error(Reader reader) {
  try {
    reader();
  } catch (const Error& error) {
    for (const char* c = error.what(); *c != 0; ++c)
      if (*c == '\n') __builtin_trap();
  }
}

}  // namespace softwarp
