#include <softwarp/dataset.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

// Image i is the two bytes (i, 255 - i), its label i % 10, so that each can be told from the others.
Dataset numbered(int count) {
  Dataset data{.name = "numbered",
               .images = {},
               .labels = {},
               .count = count,
               .height = 1,
               .width = 2,
               .classes = 10,
               .max_pixel = 99};
  for (int i = 0; i < count; ++i) {
    data.images.push_back(static_cast<std::uint8_t>(i));
    data.images.push_back(static_cast<std::uint8_t>(255 - i));
    data.labels.push_back(static_cast<std::uint8_t>(i % 10));
  }
  return data;
}

Bytes numbers(const Dataset& data) {
  EXPECT_EQ(data.images.size(), static_cast<std::size_t>(2 * data.count));
  EXPECT_EQ(data.labels.size(), static_cast<std::size_t>(data.count));
  EXPECT_EQ(std::tie(data.name, data.classes, data.max_pixel), std::make_tuple("numbered", 10, 99));
  Bytes found;
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    found.push_back(data.images[2 * i]);
    EXPECT_EQ(data.images[2 * i + 1], 255 - found.back());
    EXPECT_EQ(data.labels[i], found.back() % 10);
  }
  return found;
}

TEST(Split, TakesTheSameImagesOfFloats) {
  Dataset data = numbered(50);
  const auto [train, validation] = split(data, 0.2, 3);
  for (const std::uint8_t byte : data.images) data.values.push_back(static_cast<float>(byte) / 7);
  data.images.clear();
  const auto [train_of_floats, validation_of_floats] = split(data, 0.2, 3);
  const auto expect_floats_of = [](const Dataset& bytes, const Dataset& floats) {
    EXPECT_TRUE(floats.images.empty());
    EXPECT_EQ(floats.labels, bytes.labels);
    std::vector<float> expected;
    for (const std::uint8_t byte : bytes.images) expected.push_back(static_cast<float>(byte) / 7);
    EXPECT_EQ(floats.values, expected);
  };
  expect_floats_of(train, train_of_floats);
  expect_floats_of(validation, validation_of_floats);
}

TEST(Split, IsAPartitionThatKeepsImagesAndLabelsTogether) {
  const auto [train, validation] = split(numbered(200), 0.15, 1);
  EXPECT_EQ(train.count, 170);
  EXPECT_EQ(validation.count, 30);
  const Bytes train_numbers = numbers(train);
  const Bytes validation_numbers = numbers(validation);
  EXPECT_TRUE(std::is_sorted(train_numbers.begin(), train_numbers.end()));
  EXPECT_TRUE(std::is_sorted(validation_numbers.begin(), validation_numbers.end()));
  Bytes all = train_numbers + validation_numbers;
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers(numbered(200)));
}

TEST(Split, DependsOnTheSeedAlone) {
  const Bytes first = numbers(split(numbered(200), 0.1, 1).second);
  EXPECT_EQ(numbers(split(numbered(200), 0.1, 1).second), first);
  EXPECT_NE(numbers(split(numbered(200), 0.1, 2).second), first);
  EXPECT_NE(numbers(split(numbered(200), 0.1, 1ull + (1ull << 32)).second), first);
}

// 100 draws of 20 in 200: an image is drawn 10 times on average, with a deviation of 3.
TEST(Split, DrawsEveryImageAboutEquallyOften) {
  std::vector<int> drawn(200);
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    for (const auto number : numbers(split(numbered(200), 0.1, seed).second)) ++drawn[number];
  EXPECT_GE(*std::min_element(drawn.begin(), drawn.end()), 1);
  EXPECT_LE(*std::max_element(drawn.begin(), drawn.end()), 25);
}

TEST(Split, LeavesNoPartEmpty) {
  EXPECT_EQ(split(numbered(2), 0.5, 1).second.count, 1);
  for (const double share : {0.0, 0.01, 0.99, 1.0})
    expect_error([&] { std::ignore = split(numbered(10), share, 1); },
                 {"numbered: expected", "both parts", "of 10"});
  expect_error([&] { std::ignore = split(numbered(1), 0.5, 1); }, {"numbered: expected", "found 0.5 of 1"});
}

TEST(Split, ExpectsAShare) {
  for (const double share : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_THROW(std::ignore = split(numbered(10), share, 1), std::invalid_argument) << share;
}

TEST(Take, GivesTheFirstImages) {
  EXPECT_EQ(numbers(head(numbered(10), 3)), (Bytes{0, 1, 2}));
  EXPECT_EQ(head(numbered(10), 10).images, numbered(10).images);
}

TEST(Take, ExpectsACountThatIsThere) {
  for (const int count : {-1, 0, 11})
    EXPECT_THROW(std::ignore = head(numbered(10), count), std::invalid_argument) << count;
}

}  // namespace
}  // namespace softwarp
