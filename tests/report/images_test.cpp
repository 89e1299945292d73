#include "host/report/images.h"

#include <gtest/gtest.h>

#include <limits>
#include <string_view>

namespace softwarp {
namespace {

std::string encoded(std::string_view text) {
  return base64(std::vector<std::uint8_t>(text.begin(), text.end()));
}

// RFC 4648, section 10.
TEST(Base64, IsThatOfTheStandard) {
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foob"), "Zm9vYg==");
  EXPECT_EQ(encoded("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64(std::vector<std::uint8_t>{0xfb, 0xff, 0xbf}), "+/+/");
}

TEST(ReportImages, PackValuesAroundTheMiddle) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(packed({1, 7, {-2, 0, 2, 1, 9, kNan, kInfinity}}, 2),
            base64(std::vector<std::uint8_t>{0, 127, 254, 191, 254, 255, 255}));
  EXPECT_EQ(packed({1, 2, {0, 0}}, 0), base64(std::vector<std::uint8_t>{127, 127}));
}

TEST(ReportImages, StayAsTheyAreUpTo64Pixels) {
  const Image image{64, 1, std::vector<float>(64, 3.0f)};
  EXPECT_EQ(shrunk(image).height, 64);
  EXPECT_EQ(shrunk(image).values, image.values);
}

// 3x65 in squares of two: the last row and the last column are halves.
TEST(ReportImages, ShrinkToMeansOfSquares) {
  Image image{3, 65, std::vector<float>(3 * 65)};
  for (std::size_t i = 0; i < image.values.size(); ++i) image.values[i] = static_cast<float>(i);
  const Image small = shrunk(image);
  ASSERT_EQ(small.height, 2);
  ASSERT_EQ(small.width, 33);
  ASSERT_EQ(small.values.size(), 66u);
  EXPECT_EQ(small.values[0], (0 + 1 + 65 + 66) / 4.0f);
  EXPECT_EQ(small.values[32], (64 + 129) / 2.0f);
  EXPECT_EQ(small.values[65], 194.0f);
}

}  // namespace
}  // namespace softwarp
