#pragma once

#include <cstdint>

namespace softwarp {

// A data set in a device's memory: images [count, pixels], labels [count].
struct DatasetView {
  const std::uint8_t* images = nullptr;
  const std::uint8_t* labels = nullptr;
  std::int64_t count = 0;
  std::int64_t pixels = 0;
  float scale = 1.0f / 255.0f;  // a pixel's value times this is the network's input
};

}  // namespace softwarp
