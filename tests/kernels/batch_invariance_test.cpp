// A row has the same bits alone, in batches of several sizes and at each place of them, whatever form it is
// run in (<softwarp/softmax.h>).

#include <gtest/gtest.h>
#include <softwarp/cross_entropy.h>
#include <softwarp/softmax.h>
#include <softwarp/softmax_axis.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "kernels/row_reduce/plan.h"
#include "tests/kernels/placed.h"

namespace softwarp {
namespace {

template <class T>
class BatchInvariance : public KernelTest {};
using Types = testing::Types<double, float, float16, bfloat16>;
TYPED_TEST_SUITE(BatchInvariance, Types);

constexpr DeviceLimits kNoClusters{.multiprocessors = 108, .shared_bytes = 163 << 10, .clusters = false};
constexpr DeviceLimits kClusters{.multiprocessors = 132, .shared_bytes = 227 << 10, .clusters = true};

template <class T>
constexpr std::int64_t kWidth = 16 / sizeof(T);

// Lanes of a warp, a warp, a block, clusters, and longer than those hold; also no whole number of vectors.
template <class T>
std::vector<std::int64_t> columns() {
  std::vector<std::int64_t> cols;
  for (const std::int64_t vectors : {0, 3, 63, 127, 255, 300})
    for (const std::int64_t more : {0, 1})
      if (vectors * kWidth<T> + more > 0) cols.push_back(vectors * kWidth<T> + more);
  for (const std::int64_t vectors : {4100, 32770}) cols.push_back(vectors * kWidth<T> + 1);
  return cols;
}

// The simulator takes a while for long rows: fewer of them, in fewer layouts, by fewer ops.
constexpr std::int64_t kLong = 4000;  // vectors
std::int64_t rows_of(std::int64_t vectors) { return vectors < 100 ? 37 : vectors < kLong ? 9 : 2; }

// The layouts of the inputs and of the output.
struct Pair {
  const char* name;
  Place in, out;
};
template <class T>
std::vector<Pair> pairs_of(std::int64_t cols) {
  const std::int64_t rows = rows_of(cols / kWidth<T>), gap = (kWidth<T> - cols % kWidth<T>) % kWidth<T>;
  std::vector<Pair> pairs{{"aligned", {rows, gap, 0}, {rows, gap, 0}},
                          {"apart and off alignment", {rows, 1, 1}, {rows, 1, 1}}};
  if (cols > kLong * kWidth<T>) return pairs;
  pairs.push_back({"packed", {rows, 0, 0}, {rows, 0, 0}});
  pairs.push_back({"packed and off alignment", {rows, 0, 1}, {rows, 0, 1}});
  pairs.push_back({"off by different distances", {rows, 1, 1}, {rows, 2, 0}});
  return pairs;
}

template <class V>
V some_of(V view, std::int64_t first, std::int64_t rows) {
  view.data = view.row(first);
  view.rows = rows;
  return view;
}

// Runs op(x, y, out) on all rows, and on some of them at a time where they are: the same bits.
template <class T, class U, class Op>
void expect_invariant(const char* name, const Pair& pair, std::int64_t cols, Op op) {
  const std::int64_t rows = pair.in.rows;
  const Placed<T> x(pair.in, cols, random_numbers<T>(rows * cols, 1, 3)),
      y(pair.in, cols, random_numbers<T>(rows * cols, 2, 0.1));
  int schedule = 0;
  const auto result = [&](std::int64_t first, std::int64_t count) {
    set_schedule(++schedule % 7);
    const Placed<U> out(pair.out, cols);
    op(some_of(x.const_view(), first, count), some_of(y.const_view(), first, count),
       some_of(out.view(), first, count));
    const std::vector<U> all = out.values();
    return std::vector<U>(all.begin() + first * cols, all.begin() + (first + count) * cols);
  };
  const std::vector<U> expected = result(0, rows);
  for (const std::int64_t count : {1, 2, 5, 33})
    for (std::int64_t first = 0; first + count <= rows; first += count == 1 && rows < 10 ? 1 : count + 3)
      ASSERT_TRUE(same_bits(result(first, count), std::vector<U>(expected.begin() + first * cols,
                                                                 expected.begin() + (first + count) * cols)))
          << name << ", rows " << first << " to " << first + count - 1 << " of " << rows;
}

template <class T>
void expect_every_op_invariant(const Pair& pair, std::int64_t cols, Workspace workspace) {
  expect_invariant<T, T>("softmax", pair, cols,
                         [&](auto x, auto, auto out) { softmax<T>(x, out, workspace, nullptr); });
  expect_invariant<T, T>("softmax_backward", pair, cols, [&](auto x, auto y, auto out) {
    softmax_backward<T>(y, x, out, workspace, nullptr);
  });
  if (cols > kLong * kWidth<T>) return;
  expect_invariant<T, T>("log_softmax", pair, cols,
                         [&](auto x, auto, auto out) { log_softmax<T>(x, out, workspace, nullptr); });
  expect_invariant<T, T>("log_softmax_backward", pair, cols, [&](auto x, auto y, auto out) {
    log_softmax_backward<T>(y, x, out, workspace, nullptr);
  });
  if constexpr (kSmall<T>)
    expect_invariant<T, float>("softmax_to_float", pair, cols,
                               [&](auto x, auto, auto out) { softmax_to_float(x, out, workspace, nullptr); });
}

TYPED_TEST(BatchInvariance, OfRowsInEveryForm) {
  using T = TypeParam;
  std::set<std::string> forms;
  for (const DeviceLimits& limits : {kNoClusters, kClusters}) {
    const Assume assume(limits);
    for (const std::int64_t cols : columns<T>())
      for (const Pair& pair : pairs_of<T>(cols)) {
        // Without clusters both devices plan alike.
        const Placed<T> in(pair.in, cols), out(pair.out, cols);
        const std::array layouts{layout_of(in.view()), layout_of(out.view())};
        const RowProblem problem{.cols = cols,
                                 .element_bytes = sizeof(T),
                                 .input_bytes = sizeof(T),
                                 .access = alignment_of(layouts),
                                 .packed = layouts[0].packed && layouts[1].packed};
        const RowPlan plan = plan_rows(problem, limits);
        if (limits.clusters && plan.cluster == 1) continue;
        forms.insert(plan.form == RowForm::packed        ? "flat"
                     : plan.form == RowForm::two_pass    ? "streamed"
                     : plan.cluster > 1                  ? "held by a cluster"
                     : plan.threads_per_row > kWarpLanes ? "held by a block"
                                                         : "held by lanes");
        SCOPED_TRACE(testing::Message() << cols << " columns, " << pair.name);
        expect_every_op_invariant<T>(pair, cols, {});
        if (testing::Test::HasFatalFailure()) return;
      }
  }
  EXPECT_EQ(forms, (std::set<std::string>{"flat", "streamed", "held by a cluster", "held by a block",
                                          "held by lanes"}));
}

// Workspace alone splits no row that is short.
TYPED_TEST(BatchInvariance, OfShortRowsWithWorkspace) {
  using T = TypeParam;
  const DeviceArray<char> memory(static_cast<std::int64_t>(kSplitRowWorkspaceBytes));
  for (const std::int64_t vectors : {1, 63, 300}) {
    const std::int64_t cols = vectors * kWidth<T> + 1;
    for (const Pair& pair : pairs_of<T>(cols)) {
      SCOPED_TRACE(testing::Message() << cols << " columns, " << pair.name);
      expect_every_op_invariant<T>(pair, cols, {memory.data(), memory.bytes()});
    }
  }
}

// At each place of a batch that is aligned, equal rows give equal bits.
TYPED_TEST(BatchInvariance, OfEqualRowsThatAreAligned) {
  using T = TypeParam;
  for (const std::int64_t cols : columns<T>()) {
    const std::int64_t rows = rows_of(cols / kWidth<T>);
    const Place place{rows, (kWidth<T> - cols % kWidth<T>) % kWidth<T>, 0};
    const std::vector<T> row = random_numbers<T>(cols, 3, 3);
    std::vector<T> values;
    for (std::int64_t r = 0; r < rows; ++r) values.insert(values.end(), row.begin(), row.end());
    const Placed<T> x(place, cols, values), y(place, cols);
    softmax<T>(x.view(), y.view(), nullptr);
    const std::vector<T> found = y.values();
    const std::vector<T> first(found.begin(), found.begin() + cols);
    for (std::int64_t r = 1; r < rows; ++r)
      ASSERT_TRUE(same_bits(std::vector<T>(found.begin() + r * cols, found.begin() + (r + 1) * cols), first))
          << cols << " columns, row " << r;
  }
}

TYPED_TEST(BatchInvariance, OfLosses) {
  using T = TypeParam;
  for (const std::int64_t cols : {1L, 10L, 64 * kWidth<T> + 1, 300 * kWidth<T>}) {
    const std::int64_t rows = rows_of(cols / kWidth<T>);
    const Placed<T> logits({rows, 0, 1}, cols, random_numbers<T>(rows * cols, 1, 3));
    std::vector<std::int32_t> targets;
    for (std::int64_t r = 0; r < rows; ++r) targets.push_back(static_cast<std::int32_t>(r * 7 % cols));
    const DeviceArray<std::int32_t> target_memory(targets);
    const auto losses = [&](std::int64_t first, std::int64_t count) {
      const DeviceArray<float> memory(count);
      const DeviceArray<CrossEntropySums> sums(std::vector<CrossEntropySums>(1));
      const std::size_t bytes = cross_entropy_workspace_bytes(count, cols, sizeof(T));
      const DeviceArray<char> workspace(std::vector<char>(bytes, 0));
      softmax_cross_entropy<T>(some_of(logits.const_view(), first, count), target_memory.data() + first,
                               {.label_smoothing = 0.1f}, nullptr, memory.data(), {}, sums.data(),
                               {workspace.data(), bytes}, nullptr);
      return memory.download();
    };
    const std::vector<float> expected = losses(0, rows);
    for (const std::int64_t count : {1, 2, 5})
      for (std::int64_t first = 0; first + count <= rows; first += count + 2)
        ASSERT_TRUE(same_bits(losses(first, count),
                              std::vector<float>(expected.begin() + first, expected.begin() + first + count)))
            << cols << " columns, rows " << first << " to " << first + count - 1;
  }
}

// Over the middle dimension: the same for any number of outer ones.
TYPED_TEST(BatchInvariance, OfColumnsInTheMiddle) {
  using T = TypeParam;
  for (const std::int64_t cols : {3, 100, 1500})
    for (const std::int64_t inner : {kWidth<T>, kWidth<T> + 1}) {
      constexpr std::int64_t kOuter = 5;
      const std::int64_t slice = cols * inner;
      const DeviceArray<T> x(random_numbers<T>(kOuter * slice, 1, 3)), all(kOuter * slice);
      softmax<T>({x.data(), kOuter, cols, inner}, AxisView<T>{all.data(), kOuter, cols, inner}, nullptr);
      const std::vector<T> expected = all.download();
      for (std::int64_t first = 0; first < kOuter; ++first) {
        const std::int64_t count = std::min<std::int64_t>(1 + first % 2, kOuter - first);
        const DeviceArray<T> some(kOuter * slice);
        softmax<T>({x.data() + first * slice, count, cols, inner},
                   AxisView<T>{some.data() + first * slice, count, cols, inner}, nullptr);
        const std::vector<T> found = some.download();
        ASSERT_TRUE(same_bits(
            std::vector<T>(found.begin() + first * slice, found.begin() + (first + count) * slice),
            std::vector<T>(expected.begin() + first * slice, expected.begin() + (first + count) * slice)))
            << cols << " columns, inner " << inner << ", outer " << first;
      }
    }
}

}  // namespace
}  // namespace softwarp
