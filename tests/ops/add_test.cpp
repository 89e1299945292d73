#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

// Beside the widths of vectors, of a block, and of what threads share.
constexpr std::int64_t kSizes[] = {0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1023, 1024, 1025, 20'011};

TEST(Add, IsTheRoundedSumOfEachPairAndTouchesNothingElse) {
  for (const auto& backend : make_backends())
    for (const std::int64_t size : kSizes)
      for (const std::int64_t offset : {0, 1}) {  // from a boundary of 16 bytes
        SCOPED_TRACE(testing::Message() << backend->name() << ", " << size << ", offset " << offset);
        const Floats x = random_values(size + 2, 1), y = random_values(size + 2, 2, 1e-3f);
        const auto from = upload(*backend, x), to = upload(*backend, y);
        backend->add(from.data() + offset, to.data() + offset, size);
        Floats expected = y;
        for (auto i = static_cast<std::size_t>(offset); i < static_cast<std::size_t>(size + offset); ++i)
          expected[i] = static_cast<float>(double{y[i]} + double{x[i]});
        EXPECT_EQ(download(*backend, to.data(), size + 2), expected);
        EXPECT_EQ(download(*backend, from.data(), size + 2), x);
      }
}

}  // namespace
}  // namespace softwarp
