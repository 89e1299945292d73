// On the CPU a row has the same bits alone, in batches of several sizes, at each place of them, at any
// address and for any number of threads, with every set of instructions that this machine has (softmax.h of
// the CPU).

#include <gtest/gtest.h>

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>

#include "host/backend/cpu/softmax.h"
#include "tests/softmax/instructions.h"

namespace softwarp {
namespace {

// In registers, in vectors, in parts of 65536; the last of them more than one part.
constexpr std::int64_t kColumns[] = {1, 2, 7, 10, 16, 33, 64, 127, 128, 129, 1000, 4099, 70001};

template <class T>
class CpuBatchInvariance : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(CpuBatchInvariance, Types);

template <class T>
std::vector<T> random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<T> normal(0, 2);
  std::vector<T> values(count);
  for (T& v : values) v = normal(random);
  return values;
}

template <class T>
using Op = std::function<void(ConstMatrixView<T>, ConstMatrixView<T>, MatrixView<T>)>;

template <class T>
struct NamedOp {
  const char* name;
  Op<T> run;
};

template <class T>
const std::vector<NamedOp<T>>& ops() {
  using In = ConstMatrixView<T>;
  using Out = MatrixView<T>;
  static const std::vector<NamedOp<T>> all{
      {"softmax", [](In x, In, Out out) { cpu::forward(RowFunction::softmax, x, out); }},
      {"log_softmax", [](In x, In, Out out) { cpu::forward(RowFunction::log_softmax, x, out); }},
      {"softmax_backward", [](In x, In y, Out out) { cpu::backward(RowFunction::softmax, y, x, out); }},
      {"log_softmax_backward",
       [](In x, In y, Out out) { cpu::backward(RowFunction::log_softmax, y, x, out); }}};
  return all;
}

// Rows of x and y from `first` on, copied to memory that is `offset` elements off alignment, `gap` apart.
template <class T>
std::vector<T> run_some(const NamedOp<T>& op, const std::vector<T>& x, const std::vector<T>& y,
                        std::int64_t cols, std::int64_t first, std::int64_t count, std::int64_t offset,
                        std::int64_t gap) {
  const std::int64_t stride = cols + gap;
  const auto size = static_cast<std::size_t>(offset + count * stride);
  std::vector<T> a(size), b(size), out(size);
  for (std::int64_t r = 0; r < count; ++r)
    for (const auto& [from, to] : {std::pair{&x, &a}, {&y, &b}})
      std::copy_n(from->begin() + (first + r) * cols, cols, to->begin() + offset + r * stride);
  op.run({a.data() + offset, count, cols, stride}, {b.data() + offset, count, cols, stride},
         {out.data() + offset, count, cols, stride});
  std::vector<T> packed;
  for (std::int64_t r = 0; r < count; ++r)
    packed.insert(packed.end(), out.begin() + offset + r * stride, out.begin() + offset + r * stride + cols);
  return packed;
}

TYPED_TEST(CpuBatchInvariance, OfRowsOfEveryLength) {
  using T = TypeParam;
  for_instructions([] {
    for (const std::int64_t cols : kColumns) {
      const std::int64_t rows = cols < 200 ? 300 : cols < 5000 ? 20 : 5;  // enough for threads
      const auto x = random_values<T>(static_cast<std::size_t>(rows * cols), 1),
                 y = random_values<T>(static_cast<std::size_t>(rows * cols), 2);
      for (const NamedOp<T>& op : ops<T>()) {
        omp_set_num_threads(2);
        const std::vector<T> expected = run_some(op, x, y, cols, 0, rows, 0, 0);
        for (const int threads : {1, 3}) {
          omp_set_num_threads(threads);
          for (const std::int64_t count : {std::int64_t{1}, std::int64_t{3}, rows / 2, rows})
            for (std::int64_t first = 0; first + count <= rows; first += count + rows / 4) {
              const std::vector<T> found =
                  run_some(op, x, y, cols, first, count, /*offset=*/first % 5, /*gap=*/count % 3);
              ASSERT_EQ(std::memcmp(found.data(), expected.data() + first * cols, found.size() * sizeof(T)),
                        0)
                  << op.name << ", " << cols << " columns, rows " << first << " to " << first + count - 1
                  << " of " << rows << ", " << threads << " threads";
            }
        }
      }
    }
  });
}

}  // namespace
}  // namespace softwarp
