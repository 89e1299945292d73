#include "host/data/ink.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

namespace softwarp {
namespace {

// Marks fainter than this share of the ink, such as paper's grain and JPEG's ripples, are none.
constexpr float kFaint = 1.0f / 8;

std::vector<float> border_of(const Image& image) {
  std::vector<float> border;
  for (std::int64_t x = 0; x < image.width; ++x)
    border.insert(border.end(), {image.at(0, x), image.at(image.height - 1, x)});
  for (std::int64_t y = 0; y < image.height; ++y)
    border.insert(border.end(), {image.at(y, 0), image.at(y, image.width - 1)});
  return border;
}

float median(std::vector<float> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Squares of pixels averaged, so that the longer side has at most 1024: enough for a frame of 28.
Image shrunk(const Image& image) {
  constexpr std::int64_t kMost = 1024;
  const std::int64_t step = (std::max(image.height, image.width) + kMost - 1) / kMost;
  if (step <= 1 || std::min(image.height, image.width) < step) return image;
  Image small{image.height / step, image.width / step, {}};
  small.pixels.reserve(static_cast<std::size_t>(small.height * small.width));
  for (std::int64_t y = 0; y < small.height; ++y)
    for (std::int64_t x = 0; x < small.width; ++x) {
      float sum = 0;
      for (std::int64_t i = 0; i < step; ++i)
        for (std::int64_t k = 0; k < step; ++k) sum += image.at(y * step + i, x * step + k);
      small.pixels.push_back(sum / static_cast<float>(step * step));
    }
  return small;
}

// The background's shade around each pixel: of each tile the median, without what is darker (or lighter) and
// narrower than five tiles, and what lies between the tiles' middles.
Image background_of(const Image& image, bool dark_ink) {
  const std::int64_t tile = std::max<std::int64_t>(8, (std::max(image.height, image.width) + 19) / 20);
  Image grid{(image.height + tile - 1) / tile, (image.width + tile - 1) / tile, {}};
  for (std::int64_t y = 0; y < grid.height; ++y)
    for (std::int64_t x = 0; x < grid.width; ++x) {
      std::vector<float> shades;
      for (std::int64_t i = y * tile; i < std::min(image.height, (y + 1) * tile); ++i)
        for (std::int64_t k = x * tile; k < std::min(image.width, (x + 1) * tile); ++k)
          shades.push_back(image.at(i, k));
      grid.pixels.push_back(median(std::move(shades)));
    }
  for (const bool largest : {dark_ink, !dark_ink}) {
    const Image before = grid;
    for (std::int64_t y = 0; y < grid.height; ++y)
      for (std::int64_t x = 0; x < grid.width; ++x) {
        float& best = grid.pixels[static_cast<std::size_t>(y * grid.width + x)];
        for (std::int64_t i = std::max<std::int64_t>(0, y - 2); i <= std::min(grid.height - 1, y + 2); ++i)
          for (std::int64_t k = std::max<std::int64_t>(0, x - 2); k <= std::min(grid.width - 1, x + 2); ++k)
            best = largest ? std::max(best, before.at(i, k)) : std::min(best, before.at(i, k));
      }
  }
  Image background{image.height, image.width, {}};
  background.pixels.reserve(image.pixels.size());
  const auto place = [&](std::int64_t i, std::int64_t count) {
    return std::clamp((static_cast<float>(i) + 0.5f) / static_cast<float>(tile) - 0.5f, 0.0f,
                      static_cast<float>(count - 1));
  };
  for (std::int64_t y = 0; y < image.height; ++y)
    for (std::int64_t x = 0; x < image.width; ++x) {
      const float row = place(y, grid.height), col = place(x, grid.width);
      const auto i = static_cast<std::int64_t>(row), k = static_cast<std::int64_t>(col);
      const std::int64_t below = std::min(i + 1, grid.height - 1), right = std::min(k + 1, grid.width - 1);
      const float v = row - static_cast<float>(i), h = col - static_cast<float>(k);
      background.pixels.push_back((1 - v) * ((1 - h) * grid.at(i, k) + h * grid.at(i, right)) +
                                  v * ((1 - h) * grid.at(below, k) + h * grid.at(below, right)));
    }
  return background;
}

// How far each pixel is from the background around it, as a share of the background's light.
Image relief_of(const Image& image, bool dark_ink) {
  Image relief = background_of(image, dark_ink);
  for (std::size_t i = 0; i < relief.pixels.size(); ++i) {
    const float background = relief.pixels[i];
    const float away = dark_ink ? background - image.pixels[i] : image.pixels[i] - background;
    relief.pixels[i] =
        std::clamp(away / std::max(dark_ink ? background : 255 - background, 32.0f), 0.0f, 1.0f);
  }
  return relief;
}

float quantile(std::vector<float> values, double share) {
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// Otsu's threshold of values from 0 to 1: the one with most variance between the two sides.
float otsu(const std::vector<float>& values) {
  std::array<double, 256> counts{};
  for (const float value : values) ++counts[static_cast<std::size_t>(value * 255)];
  double below = 0, sum_below = 0, sum = 0, most = -1;
  std::size_t best = 0;
  for (std::size_t i = 0; i < 256; ++i) sum += static_cast<double>(i) * counts[i];
  const auto all = static_cast<double>(values.size());
  for (std::size_t i = 0; i < 255; ++i) {
    below += counts[i], sum_below += static_cast<double>(i) * counts[i];
    if (below == 0 || below == all) continue;
    const double apart = sum_below / below - (sum - sum_below) / (all - below);
    const double between = below * (all - below) * apart * apart;
    if (between > most) most = between, best = i;
  }
  return static_cast<float>(best + 1) / 255;
}

// A connected component of the ink.
struct Component {
  std::int64_t top, left, bottom, right, area = 0;

  std::int64_t height() const { return bottom - top + 1; }
  std::int64_t width() const { return right - left + 1; }
};

// Components of more than `least`, and of each pixel which one it belongs to; -1: none.
std::vector<Component> components_of(const Image& ink, float least, std::vector<std::int32_t>& labels) {
  std::vector<Component> components;
  std::vector<std::int64_t> waiting;
  labels.assign(ink.pixels.size(), -1);
  const auto take = [&](std::int64_t y, std::int64_t x) {
    if (y < 0 || x < 0 || y >= ink.height || x >= ink.width) return;
    const auto at = static_cast<std::size_t>(y * ink.width + x);
    if (labels[at] >= 0 || ink.pixels[at] <= least) return;
    Component& component = components.back();
    labels[at] = static_cast<std::int32_t>(components.size()) - 1;
    component = {std::min(component.top, y), std::min(component.left, x), std::max(component.bottom, y),
                 std::max(component.right, x), component.area + 1};
    waiting.push_back(y * ink.width + x);
  };
  for (std::int64_t y = 0; y < ink.height; ++y)
    for (std::int64_t x = 0; x < ink.width; ++x) {
      const auto at = static_cast<std::size_t>(y * ink.width + x);
      if (labels[at] >= 0 || ink.pixels[at] <= least) continue;
      components.push_back({y, x, y, x, 0});
      for (take(y, x); !waiting.empty();) {
        const std::int64_t pixel = waiting.back();
        waiting.pop_back();
        for (int i = 0; i < 9; ++i) take(pixel / ink.width + i / 3 - 1, pixel % ink.width + i % 3 - 1);
      }
    }
  return components;
}

// How many figures stand side by side: components at least half as tall as the tallest, with a gap between
// them.
std::int64_t figures_among(std::vector<Component> components) {
  std::int64_t tallest = 0, count = 0, reached = -1;
  for (const Component& component : components) tallest = std::max(tallest, component.height());
  std::ranges::sort(components, {}, &Component::left);
  for (const Component& component : components) {
    if (2 * component.height() < tallest) continue;
    count += component.left > reached;
    reached = std::max(reached, component.right);
  }
  return count;
}

// The largest component that does not reach the image's edge (a table beside the paper does), and what lies
// close.
std::vector<bool> kept_components(const std::vector<Component>& components, const Image& image) {
  const Component* main = nullptr;
  for (const bool inside : {true, false}) {
    for (const Component& p : components) {
      const bool touches =
          p.top == 0 || p.left == 0 || p.bottom == image.height - 1 || p.right == image.width - 1;
      const bool fits =
          !inside || (!touches && 16 * std::max(p.height(), p.width()) > std::min(image.height, image.width));
      if (fits && (main == nullptr || p.area > main->area)) main = &p;
    }
    if (main != nullptr) break;
  }
  std::vector<bool> kept;
  kept.reserve(components.size());
  const std::int64_t near = main == nullptr ? 0 : std::max(main->height(), main->width()) / 8;
  for (const Component& p : components)
    kept.push_back(20 * p.area >= main->area && p.bottom >= main->top - near &&
                   p.top <= main->bottom + near && p.right >= main->left - near &&
                   p.left <= main->right + near);
  return kept;
}

// Ink on one shade; specks, of less than a two-hundredth of the largest component, are none.
void keep_drawing(Ink& ink) {
  std::vector<std::int32_t> labels;
  const std::vector<Component> components = components_of(ink.amounts, 0, labels);
  std::int64_t largest = 0;
  for (const Component& component : components) largest = std::max(largest, component.area);
  std::vector<Component> drawn;
  for (const Component& component : components)
    if (200 * component.area >= largest) drawn.push_back(component);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0 && 200 * components[static_cast<std::size_t>(labels[i])].area < largest)
      ink.amounts.pixels[i] = 0;
  ink.figures = figures_among(std::move(drawn));
}

// Ink on a background of many shades; false where none stands out.
bool find_on_uneven(const Image& image, Ink& ink) {
  Image dark = relief_of(image, true), light = relief_of(image, false);
  constexpr double kDarkest = 0.998;
  ink.dark = quantile(dark.pixels, kDarkest) >= quantile(light.pixels, kDarkest);
  ink.amounts = std::move(ink.dark ? dark : light);
  const float threshold = std::max(otsu(ink.amounts.pixels), kFaint);
  std::vector<std::int32_t> labels;
  const std::vector<Component> components = components_of(ink.amounts, threshold, labels);
  if (components.empty()) return false;
  const std::vector<bool> kept = kept_components(components, image);
  std::vector<float> shades;
  std::vector<Component> figures;
  for (std::size_t i = 0; i < components.size(); ++i)
    if (kept[i]) figures.push_back(components[i]);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool is_ink = labels[i] >= 0 && kept[static_cast<std::size_t>(labels[i])];
    if (is_ink) shades.push_back(ink.amounts.pixels[i]);
    if (!is_ink) ink.amounts.pixels[i] = 0;
  }
  const float full = median(std::move(shades));
  for (float& amount : ink.amounts.pixels) amount = std::min(1.0f, amount / full);
  ink.figures = figures_among(std::move(figures));
  ink.uneven = true;
  return true;
}

// A photograph's border has many shades between background and ink, or is mostly no background.
bool is_uneven(const std::vector<float>& border, float background, float contrast) {
  std::int64_t between = 0, ink = 0;
  for (const float shade : border) {
    const float away = std::abs(shade - background) / contrast;
    between += away > kFaint && away < 0.5f;
    ink += away >= 0.5f;
  }
  return 40 * between > std::ssize(border) || 10 * ink > 3 * std::ssize(border);
}

}  // namespace

Ink find_ink(const Image& image, const std::string& name) {
  constexpr float kLeastContrast = 16;
  constexpr std::int64_t kLeastPhotograph = 64;
  Ink ink{shrunk(image)};
  const std::vector<float> border = border_of(ink.amounts);
  const float background = median(border);
  const auto [least, most] = std::minmax_element(ink.amounts.pixels.begin(), ink.amounts.pixels.end());
  const float darkest = *least, lightest = *most;
  const float darker = background - darkest, lighter = lightest - background;
  ink.dark = darker > lighter;
  const float contrast = std::max(darker, lighter);
  if (contrast == 0)
    throw Error(fmt::format("{}: expected something drawn on a background, found {}x{} pixels of one shade",
                            name, image.width, image.height));
  // Few numbers from 0 on are a mask or an array saved as it was, not shades that an eye could tell.
  if (contrast < kLeastContrast && lightest > kLeastContrast)
    throw Error(
        fmt::format("{}: expected something drawn on a background, found {}x{} pixels of shades {:.0f} to "
                    "{:.0f} of 255, too faint to tell",
                    name, image.width, image.height, darkest, lightest));
  if (std::min(image.height, image.width) >= kLeastPhotograph && is_uneven(border, background, contrast) &&
      find_on_uneven(shrunk(image), ink))
    return ink;
  for (float& pixel : ink.amounts.pixels) {
    pixel = (ink.dark ? background - pixel : pixel - background) / contrast;
    if (pixel < kFaint) pixel = 0;
  }
  keep_drawing(ink);
  return ink;
}

}  // namespace softwarp
