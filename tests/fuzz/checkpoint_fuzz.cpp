// Checkpoints of a training.

#include "tests/fuzz/fuzz.h"

#include <softwarp/train.h>

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const softwarp::MemoryFile file(data, size);
  softwarp::expect_value_or_error([&] {
    const softwarp::Checkpoint checkpoint = softwarp::read_checkpoint(file.path());
    if (checkpoint.history.empty()) __builtin_trap();
  });
  return 0;
}
