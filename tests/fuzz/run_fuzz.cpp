// A run's summary.json and, after a byte of 0, its metrics.csv; what was read is compared with itself.

#include <algorithm>
#include <string_view>
#include <vector>

#include "host/report/comparison.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace softwarp;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\0'), text.size());
  expect_value_or_error([&] {
    const FinishedRun run =
        parse_run("run", text.substr(0, end), text.substr(std::min(end + 1, text.size())));
    if (comparison_html(std::vector{run, run}).empty()) __builtin_trap();
  });
  return 0;
}
