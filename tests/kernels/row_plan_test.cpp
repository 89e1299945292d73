// How rows are spread over threads, on both sides of each boundary.

#include "kernels/row_reduce/plan.h"

#include <gtest/gtest.h>

#include <array>
#include <ostream>

namespace softwarp {

void PrintTo(const RowPlan& p, std::ostream* out) {
  *out << "form " << static_cast<int>(p.form) << ", vectors " << p.vectors << ", team " << p.threads_per_row
       << ", threads " << p.threads << ", cluster " << p.cluster << ", cached " << p.cached;
}

namespace {

constexpr DeviceLimits kTuring{.multiprocessors = 40, .shared_bytes = 64 << 10, .clusters = false};
constexpr DeviceLimits kAmpere{.multiprocessors = 108, .shared_bytes = 163 << 10, .clusters = false};
constexpr DeviceLimits kHopper{.multiprocessors = 132, .shared_bytes = 227 << 10, .clusters = true};

RowPlan held(int vectors, int team, int threads, int cluster = 1) {
  return {.form = RowForm::registers,
          .vectors = vectors,
          .threads_per_row = team,
          .threads = threads,
          .cluster = cluster};
}
RowPlan flat(int team) {
  return {.form = RowForm::packed, .threads_per_row = team, .threads = kPackedThreads};
}
RowPlan streamed(int cluster, int cached) {
  return {.form = RowForm::two_pass,
          .threads_per_row = 512,
          .threads = 512,
          .cluster = cluster,
          .cached = cached};
}

RowPlan plan(std::int64_t cols, const DeviceLimits& device, const RowProblem& like = {}) {
  RowProblem problem = like;
  problem.cols = cols;
  return plan_rows(problem, device);
}

TEST(RowPlan, AlignedRowsGoToLanesWarpsBlocksAndClusters) {
  EXPECT_EQ(plan(1, kHopper), held(2, 1, 128));
  EXPECT_EQ(plan(4, kHopper), held(2, 1, 128));
  EXPECT_EQ(plan(5, kHopper), held(2, 1, 128));
  EXPECT_EQ(plan(8, kHopper), held(2, 1, 128));
  EXPECT_EQ(plan(9, kHopper), held(2, 2, 128));
  EXPECT_EQ(plan(128, kHopper), held(2, 16, 128));
  EXPECT_EQ(plan(129, kHopper), held(2, 32, 128));
  EXPECT_EQ(plan(256, kHopper), held(2, 32, 128));
  EXPECT_EQ(plan(257, kHopper), held(4, 32, 128));
  EXPECT_EQ(plan(513, kHopper), held(8, 32, 128));
  EXPECT_EQ(plan(1024, kHopper), held(8, 32, 128));
  EXPECT_EQ(plan(1025, kHopper), held(4, 96, 96));
  EXPECT_EQ(plan(2048, kHopper), held(4, 128, 128));
  EXPECT_EQ(plan(2049, kHopper), held(4, 160, 160));
  EXPECT_EQ(plan(8192, kHopper), held(4, 512, 512));
  EXPECT_EQ(plan(8193, kHopper), held(8, 288, 288));
  EXPECT_EQ(plan(16384, kHopper), held(8, 512, 512));
  EXPECT_EQ(plan(16385, kHopper), held(8, 288, 288, 2));
  EXPECT_EQ(plan(32768, kHopper), held(8, 512, 512, 2));
  EXPECT_EQ(plan(32769, kHopper), held(8, 288, 288, 4));
  EXPECT_EQ(plan(131072, kHopper), held(8, 512, 512, 8));
  EXPECT_EQ(plan(131073, kHopper), streamed(8, 9));
}

TEST(RowPlan, SixteenBitRowsAreTwiceAsLong) {
  const RowProblem half{.element_bytes = 2, .input_bytes = 2};
  EXPECT_EQ(plan(2048, kHopper, half), held(8, 32, 128));
  EXPECT_EQ(plan(2049, kHopper, half), held(4, 96, 96));
  EXPECT_EQ(plan(32768, kHopper, half), held(8, 512, 512));
  EXPECT_EQ(plan(262144, kHopper, half), held(8, 512, 512, 8));
  EXPECT_EQ(plan(262145, kHopper, half).form, RowForm::two_pass);
  const RowProblem to_float{.element_bytes = 4, .input_bytes = 2};
  EXPECT_EQ(plan(1024, kHopper, to_float), held(8, 32, 128));
  EXPECT_EQ(plan(std::int64_t{1} << 30, kAmpere, to_float), streamed(1, 40)) << "vectors of 8 bytes";
}

TEST(RowPlan, TwoInputsAreHeldToHalfTheLength) {
  const RowProblem backward{.inputs = 2, .max_vectors = 4};
  EXPECT_EQ(plan(512, kHopper, backward), held(4, 32, 128));
  EXPECT_EQ(plan(513, kHopper, backward), held(4, 64, 64));
  EXPECT_EQ(plan(8192, kHopper, backward), held(4, 512, 512));
  EXPECT_EQ(plan(8193, kHopper, backward), held(4, 288, 288, 2));
  EXPECT_EQ(plan(65536, kHopper, backward), held(4, 512, 512, 8));
  EXPECT_EQ(plan(65537, kHopper, backward).form, RowForm::two_pass);
  EXPECT_EQ(plan(8193, kAmpere, backward), streamed(1, 5));
}

TEST(RowPlan, WithoutClustersLongRowsAreStreamedThroughSharedMemory) {
  EXPECT_EQ(plan(16384, kAmpere), held(8, 512, 512));
  EXPECT_EQ(plan(16385, kAmpere), streamed(1, 9));
  EXPECT_EQ(plan(40960, kAmpere), streamed(1, 20));  // 160 KiB
  EXPECT_EQ(plan(131072, kAmpere), streamed(1, 20));
  EXPECT_EQ(plan(131072, kTuring), streamed(1, 7));
  EXPECT_EQ(plan(std::int64_t{1} << 40, kAmpere), streamed(1, 20));
}

TEST(RowPlan, PackedRowsThatBeginAnywhereAreFlatUpToAKilobyte) {
  for (const RowAlignment access : {RowAlignment::shifted, RowAlignment::scalar}) {
    const RowProblem packed{.access = access};
    EXPECT_EQ(plan(1, kHopper, packed), flat(1));
    EXPECT_EQ(plan(8, kHopper, packed), flat(1));
    EXPECT_EQ(plan(9, kHopper, packed), flat(2));
    EXPECT_EQ(plan(10, kHopper, packed), flat(2));
    EXPECT_EQ(plan(33, kHopper, packed), flat(8));
    EXPECT_EQ(plan(256, kHopper, packed), flat(32));
  }
  EXPECT_EQ(plan(257, kHopper, {.access = RowAlignment::scalar}), held(4, 32, 128));
  EXPECT_EQ(plan(512, kHopper, {.element_bytes = 2, .input_bytes = 2, .access = RowAlignment::shifted}),
            flat(32));
  EXPECT_EQ(plan(10, kHopper, {.access = RowAlignment::shifted, .packed = false}), held(2, 2, 128));
}

TEST(RowPlan, ShiftedRowsMayTouchOneVectorMore) {
  const RowProblem shifted{.access = RowAlignment::shifted, .packed = false};
  EXPECT_EQ(plan(1, kHopper, shifted), held(2, 1, 128));
  EXPECT_EQ(plan(2, kHopper, shifted), held(2, 1, 128));
  EXPECT_EQ(plan(13, kHopper, shifted), held(2, 2, 128));
  EXPECT_EQ(plan(14, kHopper, shifted), held(2, 4, 128));
  EXPECT_EQ(plan(1021, kHopper, shifted), held(8, 32, 128));
  EXPECT_EQ(plan(1022, kHopper, shifted), held(4, 96, 96));
  EXPECT_EQ(plan(16381, kHopper, shifted), held(8, 512, 512));
  EXPECT_EQ(plan(16382, kHopper, shifted), held(8, 288, 288, 2));
}

TEST(RowPlan, FewLongRowsAreSplitWhereThatFillsTheDevice) {
  const auto slices = [](std::int64_t cols, std::int64_t rows, const DeviceLimits& device) {
    return plan_split_rows({.cols = cols}, rows, device).slices;
  };
  EXPECT_EQ(slices(32768, 1, kAmpere), 4);
  EXPECT_EQ(slices(32764, 1, kAmpere), 1) << "too short";
  EXPECT_EQ(slices(32768, 54, kAmpere), 4);
  EXPECT_EQ(slices(32768, 55, kAmpere), 1) << "rows enough";
  EXPECT_EQ(slices(1 << 20, 1, kAmpere), 128);
  EXPECT_EQ(slices(1 << 24, 1, kAmpere), 216);
  EXPECT_EQ(slices(1 << 24, 3, kAmpere), 72);
  EXPECT_EQ(slices(1 << 24, 0, kAmpere), 1);
  EXPECT_EQ(slices(262140, 1, kHopper), 1) << "a cluster does as well";
  EXPECT_EQ(slices(262144, 1, kHopper), 32);
}

TEST(RowAlignment, SeesHowRowsLieTowardsBorders) {
  alignas(64) static float floats[256];
  alignas(64) static unsigned short halves[256];
  const auto f = [](std::int64_t offset, std::int64_t stride, std::int64_t rows = 2) {
    return layout_of(MatrixView<float>{floats + offset, rows, 3, stride});
  };
  const auto h = [](std::int64_t offset, std::int64_t stride) {
    return layout_of(MatrixView<unsigned short>{halves + offset, 2, 3, stride});
  };
  const auto access = [](auto... layouts) { return alignment_of(std::array{layouts...}); };
  EXPECT_EQ(access(f(0, 4), f(4, 8)), RowAlignment::aligned);
  EXPECT_EQ(access(f(0, 3, 1), f(4, 3, 1)), RowAlignment::shifted) << "one row is planned as in a batch";
  EXPECT_EQ(access(f(0, 3), f(4, 3)), RowAlignment::shifted);
  EXPECT_EQ(access(f(1, 3), f(5, 7)), RowAlignment::shifted);
  EXPECT_EQ(access(f(1, 3), f(2, 3)), RowAlignment::scalar);
  EXPECT_EQ(access(f(0, 3), f(0, 4)), RowAlignment::scalar);
  EXPECT_EQ(access(h(0, 8), f(0, 4)), RowAlignment::aligned);
  EXPECT_EQ(access(h(4, 12), f(0, 4)), RowAlignment::aligned) << "vectors of 4 halves and 4 floats";
  EXPECT_EQ(access(h(5, 11), f(1, 7)), RowAlignment::shifted);
  EXPECT_EQ(access(h(5, 11), f(2, 11)), RowAlignment::scalar);
}

}  // namespace
}  // namespace softwarp
