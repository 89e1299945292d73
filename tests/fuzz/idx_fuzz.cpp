// IDX files, plain and gzipped.

#include <tuple>

#include "host/io/idx.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const softwarp::MemoryFile file(data, size);
  for (const int rank : {1, 3})
    softwarp::expect_value_or_error([&] { std::ignore = softwarp::read_idx(file.path(), rank); });
  return 0;
}
