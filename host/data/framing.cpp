#include "host/data/framing.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/data/ink.h"

namespace softwarp {
namespace {

// The extent of the ink along one axis.
struct Extent {
  std::int64_t first = -1, last = -1;
  double mass = 0, moment = 0;

  void see(std::int64_t i, double ink) {
    if (ink <= 0) return;
    first = first < 0 ? i : std::min(first, i);
    last = std::max(last, i);
    mass += ink;
    moment += ink * (static_cast<double>(i) + 0.5);
  }
  double length() const { return static_cast<double>(last - first + 1); }
  double middle() const { return static_cast<double>(first + last + 1) / 2; }
  double centre_of_mass() const { return moment / mass; }
};

// For each of `count` pixels along an axis, which of `length` source pixels it is made of. Source position
// `centre` comes to lie in the middle, `scale` pixels a source pixel: a triangle filter, as wide as a pixel
// of the coarser of both. Beyond the image there is nothing (`bounded`), or no telling.
struct Weight {
  std::int64_t source;
  double share;
};
std::vector<std::vector<Weight>> weights_along(std::int64_t count, std::int64_t length, double centre,
                                               double scale, bool bounded) {
  const double radius = std::max(1.0, 1 / scale);
  std::vector<std::vector<Weight>> all(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const double at = centre + (static_cast<double>(i) + 0.5 - static_cast<double>(count) / 2) / scale;
    double sum = 0;
    auto& weights = all[static_cast<std::size_t>(i)];
    const auto last = static_cast<std::int64_t>(std::ceil(at + radius));
    for (auto j = static_cast<std::int64_t>(std::floor(at - radius)); j <= last; ++j) {
      const double share = 1 - std::abs(static_cast<double>(j) + 0.5 - at) / radius;
      if (share <= 0) continue;
      const bool inside = j >= 0 && j < length;
      if (inside || bounded) sum += share;
      if (inside) weights.push_back({j, share});
    }
    for (Weight& weight : weights) weight.share /= sum;
  }
  return all;
}

std::vector<double> resample(const Image& image, std::int64_t height, std::int64_t width, double centre_y,
                             double centre_x, double scale, bool bounded) {
  const auto rows = weights_along(height, image.height, centre_y, scale, bounded);
  const auto cols = weights_along(width, image.width, centre_x, scale, bounded);
  std::vector<double> narrowed;  // [image.height, width]
  for (std::int64_t y = 0; y < image.height; ++y)
    for (const auto& col : cols) {
      double& sum = narrowed.emplace_back(0);
      for (const Weight& w : col) sum += w.share * double{image.at(y, w.source)};
    }
  std::vector<double> pixels;
  for (const auto& row : rows)
    for (std::int64_t x = 0; x < width; ++x) {
      double& sum = pixels.emplace_back(0);
      for (const Weight& w : row) sum += w.share * narrowed[static_cast<std::size_t>(w.source * width + x)];
    }
  return pixels;
}

std::uint8_t quantize(double share, int max_pixel) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(share, 0.0, 1.0) * max_pixel));
}

}  // namespace

FramedImage frame_image(const Image& image, Framing framing, std::int64_t height, std::int64_t width,
                        int max_pixel, const std::string& name) {
  FramedImage framed;
  framed.scaled = image.height != height || image.width != width;
  framed.largest = *std::ranges::max_element(image.pixels);
  const bool whole = framing.kind == Framing::Kind::whole;
  Image ink{0, 0, {}};
  if (!whole) {
    Ink found = find_ink(image, name);
    framed.inverted = found.dark != framing.dark_on_light;
    framed.uneven = found.uneven;
    framed.figures = found.figures;
    if (framed.scaled) ink = std::move(found.amounts);
  }
  if (ink.pixels.empty()) {
    ink = image;
    // A mask of 0 and 1, or any with so few shades, was saved without being stretched.
    const float white = !whole && framed.is_stretched() ? framed.largest : 255;
    for (float& pixel : ink.pixels) pixel = framed.inverted ? 1 - pixel / white : pixel / white;
  }
  if (!framed.scaled) {
    for (const float pixel : ink.pixels) framed.pixels.push_back(quantize(double{pixel}, max_pixel));
    return framed;
  }

  Extent rows, cols;
  for (std::int64_t y = 0; y < ink.height; ++y)
    for (std::int64_t x = 0; x < ink.width; ++x) {
      const double amount = whole ? 1 : double{ink.at(y, x)};
      rows.see(y, amount);
      cols.see(x, amount);
    }
  const double scale = framing.share * std::min(static_cast<double>(height) / rows.length(),
                                                static_cast<double>(width) / cols.length());
  const bool by_mass = framing.kind == Framing::Kind::mass;
  framed.frame = std::max(height, width);
  framed.side = std::lround(framing.share * static_cast<double>(framed.frame));
  const auto pixels = resample(ink, height, width, by_mass ? rows.centre_of_mass() : rows.middle(),
                               by_mass ? cols.centre_of_mass() : cols.middle(), scale, !whole);
  // Thin strokes of a large image come out pale; a data set's darkest are not.
  const double most = whole ? 1 : *std::max_element(pixels.begin(), pixels.end());
  for (const double pixel : pixels)
    framed.pixels.push_back(quantize(framing.dark_on_light ? 1 - pixel / most : pixel / most, max_pixel));
  return framed;
}

std::string describe(const Image& image, Framing framing, const FramedImage& framed) {
  std::string text = fmt::format("{}x{}", image.width, image.height);
  if (image.turned) text += ", turned upright";
  if (framing.kind != Framing::Kind::whole) {
    text += framed.inverted == framing.dark_on_light ? ", light on dark" : ", dark on light";
    if (framed.inverted) text += ": inverted";
    if (framed.is_stretched())
      text += fmt::format(", of shades up to {:.0f} only: stretched", framed.largest);
    if (framed.uneven) text += ", on an uneven background: the largest mark";
    if (framed.figures > 1) text += fmt::format(", {} figures side by side (expected one)", framed.figures);
  }
  if (!framed.scaled) return text + "; of the network's size, so left where it lies";
  if (framing.kind == Framing::Kind::whole) return text + "; scaled as a whole";
  text += framed.side == framed.frame ? "; scaled to fill the frame"
                                      : fmt::format("; scaled to {} of {} pixels", framed.side, framed.frame);
  return text + (framing.kind == Framing::Kind::mass ? ", centred by its mass, as the data's images are"
                                                     : ", centred, as the data's images are");
}

}  // namespace softwarp
