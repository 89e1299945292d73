#pragma once

#include <softwarp/augment.h>

#include <cmath>
#include <cstdint>

#include "core/random.h"

namespace softwarp {

// Smooths by a Gaussian, cut off at 3 deviations, whose weights add up to 1: weight[k] is that of both
// neighbours k places away.
struct GaussianWeights {
  static constexpr int kMaxRadius = 30;
  int radius = 0;
  float weight[kMaxRadius + 1] = {1};
};

inline GaussianWeights gaussian_weights(float sigma) {
  GaussianWeights gaussian;
  gaussian.radius = static_cast<int>(std::ceil(3 * static_cast<double>(sigma)));
  const auto value = [&](int k) { return std::exp(-0.5 * std::pow(k / static_cast<double>(sigma), 2)); };
  double sum = 1;
  for (int k = 1; k <= gaussian.radius; ++k) sum += 2 * value(k);
  for (int k = 0; k <= gaussian.radius; ++k) gaussian.weight[k] = static_cast<float>(value(k) / sum);
  return gaussian;
}

// The numbers of an elastic field before it is smoothed: a byte each, of which 0..255 stands for -1..1
// without its ends, (b - 127.5) / 128. Two planes, the displacements along x and along y, of the image's size
// and a margin of the Gaussian's radius. Sixteen bytes of a row are one Philox call.
struct FieldShape {
  static constexpr int kGroup = 16;
  int rows;    // of a plane
  int groups;  // of a row

  SOFTWARP_HD FieldShape(int height, int width, int radius)
      : rows(height + 2 * radius), groups((width + 2 * radius + kGroup - 1) / kGroup) {}
  SOFTWARP_HD int pitch() const { return groups * kGroup; }  // bytes of a row
  SOFTWARP_HD int calls() const { return 2 * rows * groups; }
};

inline constexpr float kFieldMiddle = 127.5f;
inline constexpr float kFieldScale = 1.0f / 128;

SOFTWARP_HD inline std::uint64_t field_index(std::int64_t image, int call) {
  return static_cast<std::uint64_t>(image) << 32 | static_cast<std::uint32_t>(call);
}

// Source positions of the affine part: x = xx (px - cx) + xy (py - cy) + x0, likewise y.
struct AffineMap {
  float xx, xy, x0;
  float yx, yy, y0;
};

struct SineCosine {
  float sine, cosine;
};
// Exact at multiples of 90 degrees.
SOFTWARP_HD inline SineCosine sine_cosine(float degrees) {
  SineCosine result{};
#ifdef __CUDA_ARCH__
  sincospif(degrees / 180, &result.sine, &result.cosine);
#else
  const double quarters = std::nearbyint(degrees / 90.0);
  const double rest = (degrees - 90 * quarters) * 0.017453292519943295;
  const auto s = static_cast<float>(std::sin(rest)), c = static_cast<float>(std::cos(rest));
  switch (static_cast<long long>(quarters) & 3) {
    case 0: return {s, c};
    case 1: return {c, -s};
    case 2: return {-s, -c};
    default: return {-c, s};
  }
#endif
  return result;
}

SOFTWARP_HD inline float draw(const UniformInterval& interval, std::uint32_t word) {
  return interval.least + (interval.most - interval.least) * uniform(word);
}

SOFTWARP_HD inline AffineMap affine_map(const Augmentation& a, std::uint64_t seed, std::int64_t epoch,
                                        std::int64_t image, int label, int height, int width) {
  const auto words = [&](std::uint32_t stream) {
    return random_words(seed, RandomPurpose::affine, stream, static_cast<std::uint32_t>(epoch),
                        static_cast<std::uint64_t>(image));
  };
  const RandomWords first = words(0), second = words(1);
  const float share = label < 64 && (a.half >> label & 1) != 0 ? 0.5f : 1.0f;
  const SineCosine r = sine_cosine(share * draw(a.degrees, first.v[0]));
  const SineCosine h = sine_cosine(share * draw(a.shear, first.v[1]));
  const float shear = h.sine / h.cosine;
  const float sx = 1 / draw(a.scale, first.v[2]), sy = 1 / draw(a.scale, first.v[3]);
  const float cx = static_cast<float>(width - 1) / 2, cy = static_cast<float>(height - 1) / 2;
  AffineMap map{};
  // F S⁻¹ H⁻¹ R⁻¹ with R⁻¹ = [cos sin; -sin cos] and H⁻¹ = [1 -shear; 0 1].
  const float fx = uniform(second.v[2]) < a.flip ? -sx : sx;
  map.xx = fx * (r.cosine + shear * r.sine), map.xy = fx * (r.sine - shear * r.cosine);
  map.yx = sy * -r.sine, map.yy = sy * r.cosine;
  const float tx = draw(a.translate, second.v[0]), ty = draw(a.translate, second.v[1]);
  map.x0 = cx - (map.xx * tx + map.xy * ty);
  map.y0 = cy - (map.yx * tx + map.yy * ty);
  return map;
}

// The place between four neighbours at which a position lies: the upper left one, and shares of the way to
// the others. A position beyond the image by a pixel or more sees its border's outside only, which is 0.
struct BilinearPlace {
  int x, y;
  float fx, fy;
};
SOFTWARP_HD inline BilinearPlace bilinear_place(float x, float y, int height, int width) {
  const auto clamped = [](float v, int size) {
    return v > -1 ? (v < static_cast<float>(size) ? v : static_cast<float>(size)) : -1.0f;
  };
  x = clamped(x, width), y = clamped(y, height);
  const float left = std::floor(x), top = std::floor(y);
  return {static_cast<int>(left), static_cast<int>(top), x - left, y - top};
}

SOFTWARP_HD inline float bilinear(float a, float b, float c, float d, float fx, float fy) {
  const float upper = a + fx * (b - a), lower = c + fx * (d - c);
  return upper + fy * (lower - upper);
}

}  // namespace softwarp
