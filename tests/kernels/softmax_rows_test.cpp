// softmax, log_softmax and their backwards on the device: every size, type, address and stride that kernels
// must take, against the definitions in double.

#include <gtest/gtest.h>
#include <softwarp/softmax.h>

#include <cstdio>

#include "tests/kernels/placed.h"
#include "tests/kernels/row_reference.h"

namespace softwarp {
namespace {

// 1 to 33, 63 to 65 and so on: beside the boundaries of lanes, of 16-byte vectors (2, 4 or 8 elements) and of
// what a warp or a block holds; 10: MNIST; 50257, 128256, 151936: vocabularies; 131080: just more than a
// cluster holds of floats, and 262144 of 16-bit elements.
const std::int64_t kCols[] = {1,     2,     3,     5,     7,      10,     31,     32,     33,    63,
                              64,    65,    100,   127,   128,    129,    192,    256,    257,   511,
                              512,   513,   760,   1000,  1023,   1024,   1025,   1128,   2047,  2048,
                              2049,  4096,  4097,  8191,  8192,   8193,   9000,   12289,  16384, 16385,
                              32768, 32769, 50257, 65544, 128256, 131072, 131080, 151936, 262144};

// How x and y lie. Long rows take the simulator a while: fewer of them.
struct Case {
  Place x, y;
};
std::vector<Case> cases_of(std::int64_t cols) {
  std::vector<Case> cases;
  const auto alike = [&](Place place) { cases.push_back({place, place}); };
  alike({2, 0, 0});
  alike({1, 3, 1});
  if (cols > 8193) return cases;
  for (const std::int64_t rows : {0, 1, 2, 3, 17}) alike({rows, 0, 0});
  for (std::int64_t offset = 1; offset < 16; offset += cols > 1025 ? 3 : 1) alike({3, 0, offset});
  alike({3, (16 - cols % 16) % 16, 0});  // aligned rows with gaps
  alike({3, 1, 2});
  alike({2, 8, 3});
  cases.push_back({{3, 0, 1}, {3, 0, 0}});
  cases.push_back({{3, 1, 0}, {3, 4, 5}});
  if (cols > 300) return cases;
  for (const std::int64_t rows : {199, 289}) alike({rows, 0, 0});
  alike({289, 1, 7});
  return cases;
}

template <class T>
struct Inputs {
  explicit Inputs(std::int64_t columns)
      : cols(columns),
        rows(cols > 8193  ? 2
             : cols > 300 ? 17
                          : 289),
        x(random_numbers<T>(rows * cols, 1, 4)),
        g(random_numbers<T>(rows * cols, 2, 1)),
        reference(rows_reference(x, rows, cols)) {
    // The backward reads these: the results, rounded to the type.
    for (const double v : reference.softmax) y.push_back(to_type<T>(v));
    for (const double v : reference.log_softmax) log_y.push_back(to_type<T>(v));
  }
  std::int64_t cols, rows;
  std::vector<T> x, g;
  RowsReference reference;
  std::vector<T> y, log_y;
};

// Runs `op` under so many schedules, which must give the same bits, and returns its result. A run in place
// that is compared with it may be the other schedule.
template <class U, class Run>
std::vector<U> result_of(const Place& place, std::int64_t cols, int wanted_schedules, Run run) {
  std::vector<U> first;
  for (int schedule = 0; schedule < schedules(wanted_schedules); ++schedule) {
    set_schedule(schedule);
    const Placed<U> out(place, cols);
    run(out.view());
    const std::vector<U> values = out.values();
    if (schedule == 0) first = values;
    EXPECT_TRUE(same_bits(first, values)) << "another schedule, another result";
  }
  return first;
}

template <class T, class U>
void check_softmax(const Inputs<T>& in, const Case& c, const std::vector<U>& y, bool log, Worst& worst) {
  using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
  ASSERT_EQ(y.size(), static_cast<std::size_t>(c.y.rows * in.cols));
  for (std::size_t i = 0; i < y.size(); ++i) {
    const RowsReference& ref = in.reference;
    if (log)
      worst.see(y[i], ref.log_softmax[i], log_softmax_tolerance<A>(ref.log_softmax[i], in.cols));
    else
      worst.see(y[i], ref.softmax[i], softmax_tolerance<A>(ref.softmax[i], ref.shifted[i], in.cols));
  }
}

template <class T>
void check_forward(const Inputs<T>& in, const Case& c, Worst& worst) {
  const Placed<T> x(c.x, in.cols, in.x);
  const bool in_place = c.x.gap == c.y.gap && c.x.offset == c.y.offset;
  for (const bool log : {false, true}) {
    const auto y = result_of<T>(c.y, in.cols, in_place ? 1 : 2, [&](MatrixView<T> out) {
      log ? log_softmax<T>(x.view(), out, nullptr) : softmax<T>(x.view(), out, nullptr);
    });
    check_softmax<T, T>(in, c, y, log, worst);
    if constexpr (kSmall<T>) {
      const auto wide = result_of<float>(c.y, in.cols, 2, [&](MatrixView<float> out) {
        log ? log_softmax_to_float(x.const_view(), out, {}, nullptr)
            : softmax_to_float(x.const_view(), out, {}, nullptr);
      });
      check_softmax<T, float>(in, c, wide, log, worst);
    }
    if (!in_place) continue;
    set_schedule(1);
    const Placed<T> both(c.x, in.cols, in.x);
    log ? log_softmax<T>(both.view(), both.view(), nullptr) : softmax<T>(both.view(), both.view(), nullptr);
    EXPECT_TRUE(same_bits(both.values(), y)) << "in place, another schedule";
  }
}

template <class T>
void check_backward(const Inputs<T>& in, const Case& c, Worst& worst) {
  using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const Placed<T> y(c.x, in.cols, in.y), log_y(c.x, in.cols, in.log_y), g(c.y, in.cols, in.g);
  for (const bool log : {false, true}) {
    const auto run = [&](MatrixView<T> gradient, MatrixView<T> out) {
      log ? log_softmax_backward<T>(log_y.view(), gradient, out, nullptr)
          : softmax_backward<T>(y.view(), gradient, out, nullptr);
    };
    const auto dx = result_of<T>(c.y, in.cols, 1, [&](MatrixView<T> out) { run(g.view(), out); });
    ASSERT_EQ(dx.size(), static_cast<std::size_t>(c.y.rows * in.cols));
    for (std::int64_t r = 0; r < c.y.rows; ++r) {
      const auto at = [&](const std::vector<T>& values, std::int64_t j) {
        return to_double(values[static_cast<std::size_t>(r * in.cols + j)]);
      };
      Truth<T> sum = 0;
      double sizes = 0;
      for (std::int64_t j = 0; j < in.cols; ++j) {
        const Truth<T> term = log ? at(in.g, j) : Truth<T>(at(in.g, j)) * at(in.y, j);
        sum += term;
        sizes += std::abs(static_cast<double>(term));
      }
      for (std::int64_t j = 0; j < in.cols; ++j) {
        const double v = log ? at(in.log_y, j) : at(in.y, j), gradient = at(in.g, j);
        const auto expected =
            static_cast<double>(log ? gradient - std::exp(Truth<T>(v)) * sum : v * (gradient - sum));
        const double tolerance = log ? log_backward_tolerance<A>(v, gradient, sizes, in.cols)
                                     : backward_tolerance<A>(v, gradient, sizes, in.cols);
        // One unit in the last place of a 16-bit result, and float's own error where terms cancel.
        const double unit =
            kSmall<T> ? std::abs(expected) * (std::is_same_v<T, float16> ? 0x1p-10 : 0x1p-7) : 0;
        worst.see(dx[static_cast<std::size_t>(r * in.cols + j)], expected, tolerance + unit);
      }
    }
    set_schedule(1);
    const Placed<T> both(c.y, in.cols, in.g);
    run(both.view(), both.view());
    EXPECT_TRUE(same_bits(both.values(), dx)) << "in place of the gradient, another schedule";
  }
}

template <class T>
void check_all(std::int64_t cols) {
  const Inputs<T> in(cols);
  Worst forward, backward;
  for (const Case& c : cases_of(cols)) {
    SCOPED_TRACE(testing::Message() << c.x.rows << " x " << cols << ", x: gap " << c.x.gap << " offset "
                                    << c.x.offset << ", y: gap " << c.y.gap << " offset " << c.y.offset);
    check_forward(in, c, forward);
    check_backward(in, c, backward);
    ASSERT_LE(forward.share(), 1) << forward.text();
    ASSERT_LE(backward.share(), 1) << backward.text();
    if (testing::Test::HasFailure()) return;
  }
  std::printf("worst error: forward %.2f, backward %.2f of the tolerance\n", forward.share(),
              backward.share());
}

class SoftmaxRows : public KernelTest, public testing::WithParamInterface<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Columns, SoftmaxRows, testing::ValuesIn(kCols));

TEST_P(SoftmaxRows, OfDoublesMatchTheDefinition) { check_all<double>(GetParam()); }
TEST_P(SoftmaxRows, OfFloatsMatchTheDefinition) { check_all<float>(GetParam()); }
TEST_P(SoftmaxRows, OfHalvesMatchTheDefinition) { check_all<float16>(GetParam()); }
TEST_P(SoftmaxRows, OfBfloat16sMatchTheDefinition) { check_all<bfloat16>(GetParam()); }

}  // namespace
}  // namespace softwarp
