// Tables of numbers, text and .npy; what was read is written and read as the same.

#include "host/io/number_table.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using softwarp::parse_table;
  softwarp::expect_value_or_error([&] {
    const auto table = parse_table({reinterpret_cast<const char*>(data), size}, "table");
    const auto again = parse_table(softwarp::to_npy(table), "again");
    if (again.rows != table.rows || again.cols != table.cols) __builtin_trap();
  });
  return 0;
}
