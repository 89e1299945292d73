// Random words against the published answers of Philox 4x32-10, and no two draws alike.

#include "core/random.h"

#include <map>

#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

using Words = std::array<std::uint32_t, 4>;

Words draw(std::uint64_t seed, RandomPurpose purpose, std::uint32_t stream, std::uint32_t step,
           std::uint64_t index) {
  const RandomWords words = random_words(seed, purpose, stream, step, index);
  return {words[0], words[1], words[2], words[3]};
}

// kat_vectors of Random123 (Salmon et al., SC'11): a counter, a key, and what they give. The counter is the
// index, the step, and purpose and stream in one word; the key is the seed; each from its low word on.
TEST(RandomWords, AreThePublishedAnswers) {
  EXPECT_EQ(draw(0, RandomPurpose{0}, 0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(draw(UINT64_MAX, RandomPurpose{0xff}, 0xffffff, UINT32_MAX, UINT64_MAX),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(draw(0x299f31d0a4093822, RandomPurpose{0x03}, 0x707344, 0x13198a2e, 0x85a308d3243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// Each of the five numbers counts, to its highest bit. 128 bits meet by chance with a probability of 1e-31.
TEST(RandomWords, AreNeverDrawnTwice) {
  std::map<Words, std::string> seen;
  for (const std::uint64_t seed : {0x0ull, 0x1ull, 0x2ull, 0x1'0000'0001ull, 0x8000'0000'0000'0001ull})
    for (const RandomPurpose purpose : {RandomPurpose::initial_weights, RandomPurpose::permutation,
                                        RandomPurpose::dropout, RandomPurpose::split, RandomPurpose::test})
      for (const std::uint32_t stream : {0u, 1u, 2u, 256u, 0xffffffu})
        for (const std::uint32_t step : {0u, 1u, 2u, 256u, 65536u, 0x8000'0000u})
          for (const std::uint64_t index : {0x0ull, 0x1ull, 0x2ull, 0x1'0000ull, 0x1'0000'0000ull}) {
            const std::string text =
                (testing::Message() << "seed " << seed << " purpose " << static_cast<int>(purpose)
                                    << " stream " << stream << " step " << step << " index " << index)
                    .GetString();
            const auto [other, is_new] = seen.emplace(draw(seed, purpose, stream, step, index), text);
            ASSERT_TRUE(is_new) << text << " as " << other->second;
          }
}

TEST(RandomWords, BecomeUniformNumbersBelowOne) {
  EXPECT_EQ(uniform(0), 0.0f);
  EXPECT_EQ(uniform(0xff), 0.0f);
  EXPECT_EQ(uniform(0x100), 0x1p-24f);
  EXPECT_EQ(uniform(0x8000'0000), 0.5f);
  EXPECT_EQ(uniform(UINT32_MAX), 1.0f - 0x1p-24f);
}

// permutation_key is the first word of a draw of its own for each image, in each epoch.
TEST(PermutationKeys, AreDrawnForEachSeedEpochAndImage) {
  for (const std::uint64_t seed : {1ull, 0x8000'0000'0000'0001ull})
    for (const std::int64_t epoch : {0, 1, 1000})
      for (const std::int64_t image : {0, 1, 59'999})
        EXPECT_EQ(permutation_key(seed, epoch, image),
                  draw(seed, RandomPurpose::permutation, 0, static_cast<std::uint32_t>(epoch),
                       static_cast<std::uint64_t>(image))[0]);
}

}  // namespace
}  // namespace softwarp
