// Every 16-bit number to float and back, and every float near a border, on each of the CPU's sets of
// instructions.

#include "host/backend/cpu/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "host/io/half.h"
#include "tests/softmax/instructions.h"

namespace softwarp {
namespace {

double value_of(DType dtype, std::uint16_t bits) {
  if (dtype == DType::float16) return from_half(bits);
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

std::vector<std::uint16_t> every_number() {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  return all;
}

// A result is nearest if neither neighbour is nearer; of two as near, its last bit is 0. Infinity stands for
// the number that would follow the largest.
void expect_nearest(DType dtype, float from, std::uint16_t found) {
  const double value = value_of(dtype, found);
  if (std::isnan(from)) {
    ASSERT_TRUE(std::isnan(value)) << value;
    return;
  }
  ASSERT_EQ(std::signbit(from), found >> 15 != 0) << from;
  const int infinity = dtype == DType::float16 ? 0x7c00 : 0x7f80;
  const double past_largest = dtype == DType::float16 ? 0x1p16 : 0x1p128;
  const auto size_of = [&](int bits) {
    return bits == infinity ? past_largest : value_of(dtype, static_cast<std::uint16_t>(bits));
  };
  const int bits = found & 0x7fff;
  ASSERT_LE(bits, infinity) << from;
  const double size = std::abs(static_cast<double>(from));
  if (size >= past_largest) {
    ASSERT_EQ(bits, infinity) << from;
    return;
  }
  const double distance = std::abs(size - size_of(bits));
  for (const int other : {bits - 1, bits + 1}) {
    if (other < 0 || other > infinity) continue;
    const double theirs = std::abs(size - size_of(other));
    ASSERT_TRUE(distance < theirs || (distance == theirs && bits % 2 == 0)) << from << " became " << value;
  }
}

void round_all(DType dtype, const std::vector<float>& from) {
  std::vector<std::uint16_t> found(from.size());
  cpu::narrow(dtype, from.data(), static_cast<std::int64_t>(from.size()), found.data());
  for (std::size_t i = 0; i < from.size(); ++i) expect_nearest(dtype, from[i], found[i]);
}

class Halves : public testing::TestWithParam<DType> {};

TEST_P(Halves, BecomeTheirValue) {
  const auto all = every_number();
  for_instructions([&] {
    std::vector<float> found(all.size());
    cpu::widen(GetParam(), all.data(), 65536, found.data());
    for (std::size_t i = 0; i < all.size(); ++i)
      ASSERT_TRUE(same(found[i], value_of(GetParam(), all[i]))) << "bits " << i << ": " << found[i];
  });
}

TEST_P(Halves, AreTheNearestToAFloat) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> from;
  for (const std::uint16_t bits : every_number()) {
    const auto number = static_cast<float>(value_of(GetParam(), bits));
    const auto next = static_cast<float>(value_of(GetParam(), static_cast<std::uint16_t>(bits + 1)));
    const float middle = std::isfinite(number) && std::isfinite(next) ? number / 2 + next / 2 : number;
    for (const float border : {number, middle})
      for (const float v : {border, std::nextafter(border, kInfinity), std::nextafter(border, -kInfinity)})
        from.push_back(v);
  }
  for (const float v : {65519.996f, 65520.0f, 65536.0f, 1e30f, 0x1p-25f, 0x1.8p-25f, 0x1p-26f, 1e-45f,
                        3.4e38f, std::numeric_limits<float>::max(), std::numeric_limits<float>::quiet_NaN()})
    from.insert(from.end(), {v, -v});
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) from.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  for_instructions([&] { round_all(GetParam(), from); });
}

// No length reads or writes beyond its end.
TEST_P(Halves, OfAnyNumber) {
  for_instructions([&] {
    for (std::int64_t n = 0; n < 40; ++n) {
      const std::vector<float> from(static_cast<std::size_t>(n), 1.5f);
      std::vector<std::uint16_t> to(static_cast<std::size_t>(n) + 1, 7);
      cpu::narrow(GetParam(), from.data(), n, to.data());
      std::vector<float> back(static_cast<std::size_t>(n) + 1, 7);
      cpu::widen(GetParam(), to.data(), n, back.data());
      for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(back[static_cast<std::size_t>(i)], 1.5f) << n;
      ASSERT_EQ(to.back(), 7);
      ASSERT_EQ(back.back(), 7);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Types, Halves, testing::Values(DType::float16, DType::bfloat16),
                         [](const auto& tested) {
                           return tested.param == DType::float16 ? "Float16" : "Bfloat16";
                         });

}  // namespace
}  // namespace softwarp
