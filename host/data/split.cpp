#include <softwarp/dataset.h>
#include <softwarp/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/random.h"

namespace softwarp {
namespace {

Dataset like(const Dataset& data) {
  Dataset part;
  part.name = data.name;
  part.height = data.height;
  part.width = data.width;
  part.classes = data.classes;
  part.class_names = data.class_names;
  part.framing = data.framing;
  part.source_checksum = data.source_checksum;
  part.max_pixel = data.max_pixel;
  return part;
}

void append(Dataset& part, const Dataset& data, std::int64_t first, std::int64_t count) {
  const auto add_images = [&](auto& to, const auto& from) {
    const auto image = from.begin() + first * data.pixels();
    to.insert(to.end(), image, image + count * data.pixels());
  };
  data.values.empty() ? add_images(part.images, data.images) : add_images(part.values, data.values);
  const auto label = data.labels.begin() + first;
  part.labels.insert(part.labels.end(), label, label + count);
  part.count += count;
}

// One number an image, unlike any other's: random bits, then its index in case those ever meet.
std::vector<std::pair<std::uint64_t, std::int64_t>> random_keys(std::int64_t count, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> keys;
  keys.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto words = random_words(seed, RandomPurpose::split, 0, 0, static_cast<std::uint64_t>(i));
    keys.emplace_back(std::uint64_t{words[0]} << 32 | words[1], i);
  }
  return keys;
}

}  // namespace

std::pair<Dataset, Dataset> split(const Dataset& data, double share, std::uint64_t seed) {
  expects(share >= 0.0 && share <= 1.0, "a share between 0 and 1");
  const auto held_out = static_cast<std::int64_t>(std::llround(share * static_cast<double>(data.count)));
  if (held_out < 1 || held_out >= data.count)
    throw Error(fmt::format("{}: expected a validation share that leaves both parts an image, found {} of {}",
                            data.name, share, data.count));

  auto keys = random_keys(data.count, seed);
  std::nth_element(keys.begin(), keys.begin() + held_out, keys.end());
  std::vector<bool> in_validation(static_cast<std::size_t>(data.count));
  for (std::int64_t i = 0; i < held_out; ++i)
    in_validation[static_cast<std::size_t>(keys[static_cast<std::size_t>(i)].second)] = true;

  std::pair parts(like(data), like(data));
  for (std::int64_t i = 0; i < data.count; ++i)
    append(in_validation[static_cast<std::size_t>(i)] ? parts.second : parts.first, data, i, 1);
  return parts;
}

Dataset head(const Dataset& data, std::int64_t count) {
  expects(count >= 1 && count <= data.count, "a count from 1 to the number of images");
  Dataset part = like(data);
  append(part, data, 0, count);
  return part;
}

}  // namespace softwarp
