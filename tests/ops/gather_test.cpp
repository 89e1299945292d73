#include <cstdlib>
#include <memory>
#include <numeric>

#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

// A data set of images that all differ, with every value a pixel can have.
struct Images {
  Images(std::int64_t how_many, std::int64_t size) : count(how_many), pixels(size) {
    for (std::int64_t i = 0; i < count * pixels; ++i)
      images.push_back(static_cast<std::uint8_t>(i * 7 + i / 256));
    for (std::int64_t i = 0; i < count; ++i) labels.push_back(static_cast<std::uint8_t>(255 - i));
  }
  float pixel(std::int64_t image, std::int64_t j, float scale) const {
    return static_cast<float>(images[static_cast<std::size_t>(image * pixels + j)]) * scale;
  }

  std::int64_t count, pixels;
  std::vector<std::uint8_t> images, labels;
};

std::vector<std::int32_t> backwards(std::int64_t count) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  std::iota(order.rbegin(), order.rend(), 0);
  return order;
}

struct Case {
  std::int64_t count;
  std::int64_t pixels;
  std::int64_t rows;
  std::int64_t position;
  std::int64_t stride;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.rows << " of " << c.count << " from " << c.position << ", " << c.pixels
             << " pixels, stride " << c.stride;
}

class GatherBatch : public testing::TestWithParam<Case> {
 protected:
  // order null: the data set's own. From bytes, or from floats that no byte equals, to the bit.
  void expect_gathered(const std::vector<std::int32_t>* order, float scale, bool of_floats = false) {
    const auto [count, pixels, rows, position, stride] = GetParam();
    const Images data(count, pixels);
    Floats values;
    for (const std::uint8_t pixel : data.images) values.push_back(static_cast<float>(pixel) - 100.3f);
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name());
      const auto images = upload(*backend, data.images), labels = upload(*backend, data.labels);
      const auto state =
          upload(*backend, std::vector{TrainingState{.seed = 1, .step = 3, .position = position}});
      const auto on_device = order != nullptr ? upload(*backend, *order) : Array<std::int32_t>();
      const auto batch = upload(*backend, Floats(static_cast<std::size_t>(rows * stride), -1.0f));
      const auto targets = upload(*backend, std::vector<std::int32_t>(static_cast<std::size_t>(rows), -1));
      const auto floats = upload(*backend, values);
      DatasetView view{images.data(), labels.data(), count, pixels, scale};
      if (of_floats) view.images = nullptr, view.values = floats.data();
      backend->gather_batch(view, on_device.data(), state.data(), {batch.data(), rows, pixels, stride},
                            targets.data());

      const Floats found = download(*backend, batch.data(), batch.size());
      const auto found_targets = download(*backend, targets.data(), targets.size());
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t image =
            order != nullptr ? (*order)[static_cast<std::size_t>(position + r)] : position + r;
        EXPECT_EQ(found_targets[static_cast<std::size_t>(r)], data.labels[static_cast<std::size_t>(image)])
            << "row " << r;
        for (std::int64_t j = 0; j < stride; ++j)
          ASSERT_EQ(found[static_cast<std::size_t>(r * stride + j)],
                    j >= pixels ? -1.0f
                    : of_floats ? values[static_cast<std::size_t>(image * pixels + j)] * scale
                                : data.pixel(image, j, scale))
              << "row " << r << " column " << j;
      }
      EXPECT_EQ(backend->download(state.data()).position, position) << "the position is only read";
    }
  }
};

TEST_P(GatherBatch, FollowsTheOrder) {
  const auto order = backwards(GetParam().count);
  expect_gathered(&order, 1.0f / 255.0f);
}

TEST_P(GatherBatch, WithoutAnOrderTakesImageAfterImage) { expect_gathered(nullptr, 1.0f / 16.0f); }

TEST_P(GatherBatch, TakesFloatsAsTheyAre) {
  const auto order = backwards(GetParam().count);
  expect_gathered(&order, 1.0f, /*of_floats=*/true);
}

INSTANTIATE_TEST_SUITE_P(Sizes, GatherBatch,
                         testing::Values(Case{1, 1, 1, 0, 1}, Case{7, 13, 3, 2, 13},  // odd
                                         Case{5, 300, 5, 0, 301},     // all of them; rows apart
                                         Case{9, 784, 2, 7, 784},     // MNIST, to the last image
                                         Case{100, 784, 64, 5, 784},  // more than 16384 pixels
                                         Case{4, 31, 0, 4, 31}));     // nothing left

std::vector<std::int32_t> permutation(Backend& backend, std::uint64_t seed, std::int64_t epoch,
                                      std::int64_t count) {
  const auto order = upload(backend, std::vector<std::int32_t>(static_cast<std::size_t>(count), -1));
  backend.permutation(seed, epoch, order.data(), count);
  return download(backend, order.data(), count);
}

TEST(Permutation, HoldsEachIndexOnce) {
  for (const auto& backend : make_backends())
    for (const std::int64_t count : {0, 1, 2, 255, 256, 257, 60'000}) {
      SCOPED_TRACE(backend->name() + " " + std::to_string(count));
      auto order = permutation(*backend, 1, 0, count);
      std::sort(order.begin(), order.end());
      for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(order[i], static_cast<std::int32_t>(i));
    }
}

TEST(Permutation, DependsOnSeedAndEpochAlone) {
  const auto backends = make_backends();
  const auto expected = permutation(*backends.front(), 5, 2, 1000);
  for (const auto& backend : backends) {
    SCOPED_TRACE(backend->name());
    EXPECT_EQ(permutation(*backend, 5, 2, 1000), expected);
    EXPECT_NE(permutation(*backend, 5, 3, 1000), expected);
    EXPECT_NE(permutation(*backend, 6, 2, 1000), expected);
    EXPECT_NE(permutation(*backend, 5 + (std::uint64_t{1} << 32), 2, 1000), expected);
  }
}

// Every index comes first equally often, and so at every place: Pearson's sum of squares has 7 degrees of
// freedom, and exceeds 40 with a probability of 1e-6.
TEST(Permutation, PutsEachIndexAtEachPlaceEquallyOften) {
  constexpr std::int64_t kCount = 8, kEpochs = 800;
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    std::vector<std::vector<int>> seen(kCount, std::vector<int>(kCount));
    for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
      const auto order = permutation(*backend, 11, epoch, kCount);
      for (std::size_t place = 0; place < kCount; ++place)
        ++seen[place][static_cast<std::size_t>(order[place])];
    }
    for (std::size_t place = 0; place < kCount; ++place) {
      double squares = 0;
      for (const int times : seen[place])
        squares += std::pow(times - kEpochs / kCount, 2) / (kEpochs / kCount);
      EXPECT_LT(squares, 40) << "place " << place;
    }
  }
}

// On the CPU, whose memory is the process's; kernels: tests/kernels/training_ops_test.cpp.
TEST(GatherBatchOnTheCpu, ReachesImagesBeyondFourGibibytes) {
  constexpr std::int64_t kPixels = 784, kCount = (std::int64_t{1} << 32) / kPixels + 2;
  const auto backend = make_cpu_backend(1);
  const auto free_memory = [](std::uint8_t* memory) { std::free(memory); };
  // Pages that nobody touches cost nothing.
  const std::unique_ptr<std::uint8_t, decltype(free_memory)> images(
      static_cast<std::uint8_t*>(std::malloc(kCount * kPixels)));
  const std::vector<std::uint8_t> labels(kCount, 7);
  std::uint8_t* const last = images.get() + (kCount - 1) * kPixels;
  std::iota(last, last + kPixels, std::uint8_t{9});
  const TrainingState state{.position = kCount - 1};
  const Matrix batch = backend->make_matrix(1, kPixels);
  std::int32_t target = -1;
  backend->gather_batch({images.get(), labels.data(), kCount, kPixels, 1.0f}, nullptr, &state, batch.view(),
                        &target);
  EXPECT_EQ(target, 7);
  EXPECT_EQ(download(*backend, batch.view().data, kPixels), Floats(last, last + kPixels));
}

}  // namespace
}  // namespace softwarp
