#pragma once

#include <cstdint>
#include <string>

#include "host/io/image.h"

namespace softwarp {

// The drawing in an image: all that is not background, from 0 to 1.
struct Ink {
  Image amounts;             // smaller than the image where that is large
  bool dark = false;         // the ink is the darker of the two
  bool uneven = false;       // the background has many shades, as a photograph's
  std::int64_t figures = 1;  // drawn side by side, each as tall as a figure
};

// Throws Error, which names `name`, where all is of one shade.
[[nodiscard]] Ink find_ink(const Image& image, const std::string& name);

}  // namespace softwarp
