#pragma once

#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "core/random.h"
#include "tests/ops/ops_testing.h"

#include <softwarp/augment.h>

namespace softwarp {

struct LabelledImage {
  std::span<const std::uint8_t> pixels;
  std::int64_t height, width;
  int label;

  double at(std::int64_t y, std::int64_t x) const {
    if (y < 0 || y >= height || x < 0 || x >= width) return 0;
    return pixels[static_cast<std::size_t>(y * width + x)];
  }
};

inline double interval_definition(const UniformInterval& interval, std::uint32_t word) {
  return interval.least + (double{interval.most} - double{interval.least}) * (word >> 8) / (1 << 24);
}

inline Doubles field_definition(const Augmentation& a, std::uint64_t seed, std::int64_t epoch,
                                std::int64_t index, int plane, std::int64_t height, std::int64_t width) {
  const double sigma = double{a.sigma};
  const auto radius = static_cast<std::int64_t>(std::ceil(3 * sigma));
  const std::int64_t rows = height + 2 * radius, groups = (width + 2 * radius + 15) / 16;
  Doubles weights;
  for (std::int64_t k = -radius; k <= radius; ++k)
    weights.push_back(std::exp(-std::pow(static_cast<double>(k) / sigma, 2) / 2));
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const auto uniform_at = [&](std::int64_t y, std::int64_t x) {
    const auto call = static_cast<std::uint64_t>((plane * rows + y) * groups + x / 16);
    const RandomWords words = random_words(seed, RandomPurpose::elastic, 0, static_cast<std::uint32_t>(epoch),
                                           static_cast<std::uint64_t>(index) << 32 | call);
    const std::uint32_t byte = words[static_cast<std::size_t>(x % 16 / 4)] >> 8 * (x % 4) & 255;
    return (byte - 127.5) / 128;
  };
  Doubles field;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      double smoothed = 0;
      for (std::size_t i = 0; i < weights.size(); ++i)
        for (std::size_t j = 0; j < weights.size(); ++j)
          smoothed += weights[i] * weights[j] *
                      uniform_at(y + static_cast<std::int64_t>(i), x + static_cast<std::int64_t>(j));
      field.push_back(double{a.alpha} * smoothed / (sum * sum));
    }
  return field;
}

// The definition in <softwarp/augment.h>, in double.
inline Doubles augment_definition(const LabelledImage& image, const Augmentation& a, std::uint64_t seed,
                                  std::int64_t epoch, std::int64_t index) {
  const auto words = [&](std::uint32_t stream) {
    return random_words(seed, RandomPurpose::affine, stream, static_cast<std::uint32_t>(epoch),
                        static_cast<std::uint64_t>(index));
  };
  const RandomWords first = words(0), second = words(1);
  const double share = (a.half >> image.label & 1) != 0 ? 0.5 : 1, degree = std::acos(-1.0) / 180;
  const double angle = share * interval_definition(a.degrees, first[0]) * degree;
  const double shear = std::tan(share * interval_definition(a.shear, first[1]) * degree);
  const double scale_x = interval_definition(a.scale, first[2]);
  const double scale_y = interval_definition(a.scale, first[3]);
  const double shift_x = interval_definition(a.translate, second[0]);
  const double shift_y = interval_definition(a.translate, second[1]);
  const double mirror = interval_definition({0, 1}, second[2]) < double{a.flip} ? -1 : 1;
  const double middle_x = static_cast<double>(image.width - 1) / 2;
  const double middle_y = static_cast<double>(image.height - 1) / 2;
  Doubles move_x(image.pixels.size()), move_y = move_x, values;
  if (a.alpha > 0) {
    move_x = field_definition(a, seed, epoch, index, 0, image.height, image.width);
    move_y = field_definition(a, seed, epoch, index, 1, image.height, image.width);
  }
  for (std::int64_t py = 0; py < image.height; ++py)
    for (std::int64_t px = 0; px < image.width; ++px) {
      const double tx = static_cast<double>(px) - middle_x - shift_x;
      const double ty = static_cast<double>(py) - middle_y - shift_y;
      const double rx = std::cos(angle) * tx + std::sin(angle) * ty;
      const double ry = -std::sin(angle) * tx + std::cos(angle) * ty;
      const std::size_t i = values.size();
      const double x = mirror * (rx - shear * ry) / scale_x + middle_x + move_x[i];
      const double y = ry / scale_y + middle_y + move_y[i];
      const double left = std::floor(x), top = std::floor(y), fx = x - left, fy = y - top;
      const auto l = static_cast<std::int64_t>(left), t = static_cast<std::int64_t>(top);
      const double upper = (1 - fx) * image.at(t, l) + fx * image.at(t, l + 1);
      const double lower = (1 - fx) * image.at(t + 1, l) + fx * image.at(t + 1, l + 1);
      values.push_back((1 - fy) * upper + fy * lower);
    }
  return values;
}

}  // namespace softwarp
