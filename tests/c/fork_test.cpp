// A process that has computed on several threads forks, as Python's multiprocessing does: the child computes,
// too.

#include <gtest/gtest.h>
#include <softwarp/softwarp.h>

#include <thread>
#include <vector>

#include "tests/holds_in_child.h"

namespace softwarp {
namespace {

constexpr std::int64_t kRows = 512, kCols = 1024;  // worth several threads

bool computes() {
  const std::vector<float> x(kRows * kCols);
  std::vector<float> y(x.size()), losses(kRows);
  const std::vector<std::int32_t> targets(kRows);
  softwarp_cross_entropy_sums sums{};
  const softwarp_status softmax = softwarp_softmax(SOFTWARP_CPU, SOFTWARP_FLOAT32, kRows, kCols, x.data(),
                                                   kCols, y.data(), kCols, nullptr, 0, nullptr);
  const softwarp_status loss = softwarp_softmax_cross_entropy(
      SOFTWARP_CPU, SOFTWARP_FLOAT32, kRows, kCols, x.data(), kCols, targets.data(), nullptr, losses.data(),
      nullptr, 0, &sums, nullptr, 0, nullptr);
  return softmax == SOFTWARP_SUCCESS && loss == SOFTWARP_SUCCESS && y.back() == 1.0f / kCols;
}

TEST(CFork, AChildComputesAfterItsParentHas) {
  ASSERT_TRUE(computes());
  EXPECT_TRUE(holds_in_child(computes));
  EXPECT_TRUE(holds_in_child([] { return computes() && holds_in_child(computes); }));
  EXPECT_TRUE(computes());  // and the parent as before
}

TEST(CFork, AThreadOfAChildComputes) {
  ASSERT_TRUE(computes());
  EXPECT_TRUE(holds_in_child([] {
    bool right = false;
    std::thread([&] { right = computes(); }).join();
    return right;
  }));
}

}  // namespace
}  // namespace softwarp
