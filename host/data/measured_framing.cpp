#include "host/data/framing.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

namespace softwarp {
namespace {

constexpr std::int64_t kLeast = 10;   // fewer images lie as they do by chance
constexpr std::int64_t kMost = 2000;  // more say nothing new
constexpr double kMostOfThem = 0.75;

// The images of a data set as ink: from 0, the background, to 1.
class InkImages {
 public:
  InkImages(const Dataset& data, bool dark_on_light) : data_(data), dark_on_light_(dark_on_light) {}

  double at(std::int64_t image, std::int64_t y, std::int64_t x) const {
    const auto i = static_cast<std::size_t>((image * data_.height + y) * data_.width + x);
    const double share = static_cast<double>(data_.images[i]) / data_.max_pixel;
    return dark_on_light_ ? 1 - share : share;
  }

 private:
  const Dataset& data_;
  bool dark_on_light_;
};

constexpr double kFaint = 1.0 / 16;

std::int64_t step_of(const Dataset& data) { return std::max<std::int64_t>(1, data.count / kMost); }

// The background is what most pixels of the images' edges are: light, dark, or neither.
std::optional<bool> light_background(const Dataset& data) {
  const InkImages images(data, false);
  double dark = 0, light = 0, all = 0;
  for (std::int64_t i = 0; i < data.count; i += step_of(data))
    for (std::int64_t y = 0; y < data.height; ++y)
      for (std::int64_t x = 0; x < data.width; ++x) {
        if (y > 0 && y < data.height - 1 && x > 0 && x < data.width - 1) continue;
        const double share = images.at(i, y, x);
        ++all, dark += share <= kFaint, light += share >= 1 - kFaint;
      }
  if (2 * std::max(dark, light) < all) return std::nullopt;
  return light > dark;
}

// A drawing's box in its frame: the longer side as a share of the frame's, and how far the middles of box and
// mass are from the frame's, in pixels along the axis where they are further.
struct Box {
  double share = 0, box_away = 0, mass_away = 0;
};

std::optional<Box> box_of(const InkImages& images, std::int64_t image, std::int64_t height,
                          std::int64_t width) {
  std::int64_t top = height, bottom = -1, left = width, right = -1;
  double mass = 0, moment_y = 0, moment_x = 0;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const double ink = images.at(image, y, x);
      if (ink <= kFaint) continue;
      top = std::min(top, y), bottom = std::max(bottom, y);
      left = std::min(left, x), right = std::max(right, x);
      mass += ink;
      moment_y += ink * (static_cast<double>(y) + 0.5);
      moment_x += ink * (static_cast<double>(x) + 0.5);
    }
  if (mass == 0) return std::nullopt;
  const auto h = static_cast<double>(height), w = static_cast<double>(width);
  const auto middle = [](std::int64_t first, std::int64_t last) {
    return static_cast<double>(first + last + 1) / 2;
  };
  return Box{
      .share = std::max(static_cast<double>(bottom - top + 1) / h, static_cast<double>(right - left + 1) / w),
      .box_away = std::max(std::abs(middle(top, bottom) - h / 2), std::abs(middle(left, right) - w / 2)),
      .mass_away = std::max(std::abs(moment_y / mass - h / 2), std::abs(moment_x / mass - w / 2))};
}

template <class Holds>
double share_of(std::span<const Box> boxes, Holds holds) {
  return static_cast<double>(std::ranges::count_if(boxes, holds)) / static_cast<double>(boxes.size());
}

}  // namespace

Framing measure_framing(const Dataset& data) {
  const std::optional<bool> light = light_background(data);
  if (!light) return {};
  const InkImages images(data, *light);
  std::vector<Box> boxes;
  for (std::int64_t i = 0; i < data.count; i += step_of(data))
    if (const auto box = box_of(images, i, data.height, data.width)) boxes.push_back(*box);
  if (std::ssize(boxes) < kLeast) return {};

  const auto middle = boxes.begin() + std::ssize(boxes) / 2;
  std::ranges::nth_element(boxes, middle, {}, &Box::share);
  const double usual = middle->share, pixel = 1.0 / static_cast<double>(std::min(data.height, data.width));
  const double alike =
      share_of(boxes, [&](const Box& box) { return std::abs(box.share - usual) <= 1.01 * pixel; });
  const double near = std::max(1.0, 1.0 / (28 * pixel));
  const double by_box = share_of(boxes, [&](const Box& box) { return box.box_away <= near; });
  const double by_mass = share_of(boxes, [&](const Box& box) { return box.mass_away <= near; });
  if (alike < kMostOfThem || std::max(by_box, by_mass) < kMostOfThem) return {};
  return {.kind = by_mass > by_box ? Framing::Kind::mass : Framing::Kind::box,
          .share = usual,
          .dark_on_light = *light};
}

}  // namespace softwarp
