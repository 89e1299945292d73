#pragma once

#include "tests/data/temporary_files.h"

namespace softwarp {

enum class ImageKind { png, bmp, jpeg, pgm };

// A file of `channels` bytes a pixel; JPEG's quality is 100.
Bytes picture_file(ImageKind kind, int height, int width, int channels, const Bytes& pixels);

}  // namespace softwarp
