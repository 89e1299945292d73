#include <softwarp/error.h>

#include <numeric>
#include <stdexcept>

#include "core/augment.h"
#include "tests/ops/ops_testing.h"
#include "tests/ops/reference_augment.h"
#include "tests/softmax/instructions.h"

namespace softwarp {
namespace {

constexpr Augmentation kAffine{
    .degrees = {-15, 15}, .shear = {-15, 15}, .scale = {0.8f, 1.2f}, .translate = {-2, 2}};
constexpr Augmentation kElastic{.alpha = 37, .sigma = 5};
constexpr Augmentation kBoth{.degrees = {-15, 15},
                             .shear = {-15, 15},
                             .scale = {0.8f, 1.2f},
                             .translate = {-2, 2},
                             .flip = 0.5f,
                             .alpha = 34,
                             .sigma = 4,
                             .half = 0b10000010};

struct Images {
  std::int64_t count, height, width;
  std::vector<std::uint8_t> pixels, labels;

  Images(std::int64_t n, std::int64_t h, std::int64_t w) : count(n), height(h), width(w) {
    for (std::int64_t i = 0; i < n * h * w; ++i)
      pixels.push_back(static_cast<std::uint8_t>((i * 2654435761u) >> 24));
    for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<std::uint8_t>(i % 10));
  }
  LabelledImage image(std::int64_t i) const {
    const auto size = static_cast<std::size_t>(height * width), first = static_cast<std::size_t>(i) * size;
    return {std::span(pixels).subspan(first, size), height, width, labels[static_cast<std::size_t>(i)]};
  }
  double at(std::int64_t i, std::int64_t y, std::int64_t x) const { return image(i).at(y, x); }
};

struct Place {
  std::uint64_t seed = 1;
  std::int64_t epoch = 0;
  std::int64_t position = 0;
  std::int64_t rows = 0;  // 0: all
  float scale = 1;
};

Floats augmented(Backend& backend, const Images& images, const Augmentation& augmentation, const Place& place,
                 const std::vector<std::int32_t>& order = {}) {
  const auto pixels = upload(backend, images.pixels), labels = upload(backend, images.labels);
  const auto state = upload(
      backend,
      std::vector{TrainingState{.seed = place.seed, .position = place.position, .epoch = place.epoch}});
  const std::int64_t rows = place.rows > 0 ? place.rows : images.count, size = images.height * images.width;
  const auto on_device = order.empty() ? Array<std::int32_t>() : upload(backend, order);
  const auto batch = upload(backend, Floats(static_cast<std::size_t>(rows * size), -1.0f));
  const auto targets = upload(backend, std::vector<std::int32_t>(static_cast<std::size_t>(rows), -1));
  backend.augment_batch({pixels.data(), labels.data(), images.count, size, place.scale, images.width},
                        on_device.data(), state.data(), augmentation, {batch.data(), rows, size, size},
                        targets.data());
  const auto found = download(backend, targets.data(), rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const auto image =
        order.empty() ? place.position + r : order[static_cast<std::size_t>(place.position) + i];
    EXPECT_EQ(found[i], images.labels[static_cast<std::size_t>(image)]);
  }
  return download(backend, batch.data(), rows * size);
}

// A position of up to 64 pixels is off by some 2^-17, and a pixel has a slope of up to 255 along each axis.
constexpr double kTolerance = 510 * 0x1p-15;

struct Case {
  std::string name;
  std::int64_t count, height, width;
  Augmentation augmentation;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class AugmentBatch : public testing::TestWithParam<Case> {};

TEST_P(AugmentBatch, FollowsTheDefinition) {
  const Case& c = GetParam();
  const Images images(c.count, c.height, c.width);
  const Place place{.seed = 7 + (std::uint64_t{3} << 32), .epoch = 5};
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats found = augmented(*backend, images, c.augmentation, place);
    for (std::int64_t i = 0; i < c.count; ++i) {
      const std::int64_t size = c.height * c.width;
      EXPECT_TRUE(all_near(
          std::span(found).subspan(static_cast<std::size_t>(i * size), static_cast<std::size_t>(size)),
          augment_definition(images.image(i), c.augmentation, place.seed, place.epoch, i), kTolerance))
          << "image " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, AugmentBatch,
    testing::Values(Case{"affine", 12, 28, 28, kAffine}, Case{"elastic", 4, 28, 28, kElastic},
                    Case{"both", 12, 28, 28, kBoth}, Case{"whole turns", 6, 9, 9, {.degrees = {-180, 180}}},
                    Case{"steep", 4, 12, 12, {.degrees = {-400, 400}, .shear = {-80, 80}}},
                    Case{"small to large", 4, 10, 10, {.scale = {0.01f, 100}}},
                    Case{"far away", 3, 8, 8, {.translate = {-1000, 1000}}}, Case{"wide", 3, 5, 40, kBoth},
                    Case{"high", 3, 40, 5, kBoth}, Case{"one pixel", 3, 1, 1, kBoth},
                    Case{"a row", 3, 1, 17, kElastic},
                    Case{"widest Gaussian", 2, 11, 13, {.alpha = 60, .sigma = 10}},
                    Case{"larger than usual", 2, 50, 60, {.alpha = 40, .sigma = 8}},
                    Case{"narrowest Gaussian", 2, 11, 13, {.alpha = 3, .sigma = 0.01f}}),
    [](const auto& test) {
      std::string name = test.param.name;
      std::erase(name, ' ');
      return name;
    });

TEST(AugmentBatchOnACpu, FollowsTheDefinitionWithEachSetOfInstructions) {
  const auto backend = make_cpu_backend(1);
  for_instructions([&] {
    for (const auto& [height, width] : {std::pair{28, 28}, {5, 19}, {1, 1}}) {
      const Images images(3, height, width);
      const Place place{.seed = 7 + (std::uint64_t{3} << 32), .epoch = 5};
      const Floats found = augmented(*backend, images, kBoth, place);
      const auto size = static_cast<std::size_t>(height * width);
      for (std::size_t i = 0; i < 3; ++i)
        EXPECT_TRUE(all_near(std::span(found).subspan(i * size, size),
                             augment_definition(images.image(static_cast<std::int64_t>(i)), kBoth, place.seed,
                                                place.epoch, static_cast<std::int64_t>(i)),
                             kTolerance));
    }
  });
}

TEST(AugmentBatchWithoutDeformation, IsTheGatherBitForBit) {
  const Images images(20, 28, 28);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    for (const float scale : {1 / 255.0f, 1 / 16.0f}) {
      const Floats found = augmented(*backend, images, {}, {.scale = scale});
      for (std::size_t i = 0; i < found.size(); ++i)
        ASSERT_EQ(found[i], static_cast<float>(images.pixels[i]) * scale) << i;
    }
  }
}

TEST(AugmentBatchExactly, TurnsByQuarters) {
  const Images images(1, 7, 7);
  for (const auto& backend : make_backends())
    for (const int quarters : {-3, -2, -1, 1, 2, 3, 5}) {
      SCOPED_TRACE(backend->name() + " " + std::to_string(quarters));
      const auto degrees = static_cast<float>(90 * quarters);
      const Floats found = augmented(*backend, images, {.degrees = {degrees, degrees}}, {});
      for (int y = 0; y < 7; ++y)
        for (int x = 0; x < 7; ++x) {
          int py = y, px = x;  // where the pixel comes to lie: a quarter turn clockwise at a time
          for (int i = 0; i < (quarters + 8) % 4; ++i) std::tie(py, px) = std::pair(px, 6 - py);
          ASSERT_EQ(found[static_cast<std::size_t>(py * 7 + px)], images.at(0, y, x));
        }
    }
}

TEST(AugmentBatchExactly, ShiftsByPixelsAndShowsZeroBeyondTheImage) {
  const Images images(1, 6, 6);
  for (const auto& backend : make_backends())
    for (const int pixels : {-7, -3, 1, 4, 6}) {
      SCOPED_TRACE(backend->name() + " " + std::to_string(pixels));
      const auto shift = static_cast<float>(pixels);
      const Floats found = augmented(*backend, images, {.translate = {shift, shift}}, {});
      for (int y = 0; y < 6; ++y)
        for (int x = 0; x < 6; ++x)
          ASSERT_EQ(found[static_cast<std::size_t>(y * 6 + x)], images.at(0, y - pixels, x - pixels));
    }
}

TEST(AugmentBatchExactly, MirrorsTheShareThatItIsTold) {
  constexpr std::int64_t kCount = 400, kWidth = 7, kSize = 2 * kWidth;
  const Images images(kCount, 2, kWidth);
  for (const auto& backend : make_backends())
    for (const float flip : {0.0f, 0.25f, 1.0f}) {
      SCOPED_TRACE(backend->name() + " " + std::to_string(flip));
      const Floats found = augmented(*backend, images, {.flip = flip}, {});
      std::int64_t mirrored = 0;
      for (std::int64_t i = 0; i < kCount; ++i) {
        const bool same = found[static_cast<std::size_t>(i * kSize)] == images.at(i, 0, 0);
        if (!same) ++mirrored;
        for (int y = 0; y < 2; ++y)
          for (int x = 0; x < kWidth; ++x)
            ASSERT_EQ(found[static_cast<std::size_t>(i * kSize + y * kWidth + x)],
                      images.at(i, y, same ? x : kWidth - 1 - x));
      }
      // Five standard errors of the count.
      const double share = double{flip};
      EXPECT_NEAR(static_cast<double>(mirrored), share * kCount, 5 * std::sqrt(share * (1 - share) * kCount));
    }
}

// An image that is a ramp tells how far each pixel was read from its own place.
TEST(ElasticField, HasTheDeviationOfTheDefinitionUpToTheBorder) {
  constexpr std::int64_t kCount = 400, kWidth = 40;
  Images images(kCount, 9, kWidth);
  for (std::size_t i = 0; i < images.pixels.size(); ++i)
    images.pixels[i] = static_cast<std::uint8_t>(20 + 5 * (i % kWidth));
  const Augmentation augmentation{.alpha = 8, .sigma = 2};
  const GaussianWeights gaussian = gaussian_weights(augmentation.sigma);
  double squares = std::pow(double{gaussian.weight[0]}, 2), sum = double{gaussian.weight[0]};
  for (int k = 1; k <= gaussian.radius; ++k)
    squares += 2 * std::pow(double{gaussian.weight[k]}, 2), sum += 2 * double{gaussian.weight[k]};
  EXPECT_NEAR(sum, 1, 1e-6);
  // A sum of independent numbers that are uniform in (-1, 1), which have a variance of 1/3.
  const double expected = double{augmentation.alpha} * squares / std::sqrt(3.0);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats found = augmented(*backend, images, augmentation, {});
    for (const std::int64_t x : {std::int64_t{2}, kWidth / 2, kWidth - 3}) {
      double mean = 0, square = 0;
      for (std::int64_t i = 0; i < kCount; ++i) {
        const double read = double{found[static_cast<std::size_t>((i * 9 + 4) * kWidth + x)]};
        const double moved = (read - 20) / 5 - static_cast<double>(x);
        mean += moved / kCount, square += moved * moved / kCount;
      }
      // Five standard errors of 400 draws.
      EXPECT_NEAR(mean, 0, 5 * expected / 20) << x;
      EXPECT_NEAR(std::sqrt(square), expected, 5 * expected / std::sqrt(2.0 * kCount)) << x;
    }
  }
}

TEST(AugmentBatchOfAnImage, DependsOnSeedEpochAndIndexAlone) {
  const Images images(40, 12, 12);
  constexpr std::size_t kSize = 144;
  const auto image = [&](const Floats& batch, std::size_t i) {
    return Floats(batch.begin() + static_cast<std::ptrdiff_t>(i * kSize),
                  batch.begin() + static_cast<std::ptrdiff_t>((i + 1) * kSize));
  };
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Floats all = augmented(*backend, images, kBoth, {.seed = 3, .epoch = 2});
    std::vector<std::int32_t> backwards(40);
    std::iota(backwards.rbegin(), backwards.rend(), 0);
    const Floats some =
        augmented(*backend, images, kBoth, {.seed = 3, .epoch = 2, .position = 5, .rows = 7}, backwards);
    for (std::size_t r = 0; r < 7; ++r) EXPECT_EQ(image(some, r), image(all, 40 - 1 - 5 - r)) << r;
    const Floats next = augmented(*backend, images, kBoth, {.seed = 3, .epoch = 3});
    const Floats other = augmented(*backend, images, kBoth, {.seed = 4, .epoch = 2});
    for (std::size_t i = 0; i < 40; ++i) {
      EXPECT_NE(image(next, i), image(all, i)) << i;
      EXPECT_NE(image(other, i), image(all, i)) << i;
    }
  }
}

// Two images that are alike are deformed differently, each in its own way.
TEST(AugmentBatchOfAnImage, DiffersFromThatOfItsTwin) {
  Images images(2, 12, 12);
  std::copy_n(images.pixels.begin(), 144, images.pixels.begin() + 144);
  for (const auto& backend : make_backends())
    for (const Augmentation& augmentation : {kAffine, kElastic}) {
      const Floats found = augmented(*backend, images, augmentation, {});
      EXPECT_FALSE(std::equal(found.begin(), found.begin() + 144, found.begin() + 144)) << backend->name();
    }
}

TEST(AugmentBatchRefuses, WhatIsNoDeformation) {
  const Images images(2, 4, 4);
  const float nan = NAN, infinity = INFINITY;
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    for (const Augmentation& wrong : std::initializer_list<Augmentation>{{.degrees = {1, -1}},
                                                                         {.degrees = {0, nan}},
                                                                         {.shear = {-90, 0}},
                                                                         {.shear = {0, 90}},
                                                                         {.scale = {0, 1}},
                                                                         {.scale = {-1, 1}},
                                                                         {.translate = {0, infinity}},
                                                                         {.flip = -0.1f},
                                                                         {.flip = 1.1f},
                                                                         {.flip = nan},
                                                                         {.alpha = -1},
                                                                         {.alpha = nan},
                                                                         {.alpha = 1, .sigma = 0},
                                                                         {.alpha = 1, .sigma = 10.5f}})
      EXPECT_THROW(augmented(*backend, images, wrong, {}), std::invalid_argument);
    EXPECT_THROW(augmented(*backend, {0, 0, 0}, {}, {.rows = 1}), std::invalid_argument);
  }
}

// The simulated device has 227 KiB for a block.
TEST(AugmentBatchRefuses, ImagesWhoseFieldASharedMemoryDoesNotHold) {
  const Images images(1, 200, 200);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    if (backend->name().starts_with("cpu"))
      EXPECT_NO_THROW(augmented(*backend, images, kElastic, {}));
    else
      EXPECT_THROW(augmented(*backend, images, kElastic, {}), Error);
    EXPECT_NO_THROW(augmented(*backend, images, kAffine, {}));
  }
}

}  // namespace
}  // namespace softwarp
