#pragma once

#include <softwarp/dataset.h>

#include "tests/data/temporary_files.h"

namespace softwarp {

inline constexpr Framing kMnistFraming{Framing::Kind::mass, 20.0 / 28}, kFillFraming{Framing::Kind::box, 1};

enum class ImageKind { png, bmp, jpeg, pgm };

// A file of `channels` bytes a pixel; JPEG's quality is 100.
Bytes picture_file(ImageKind kind, int height, int width, int channels, const Bytes& pixels);

}  // namespace softwarp
