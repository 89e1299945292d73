#include "tests/data/drawn_images.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

namespace softwarp {
namespace {

void append(void* file, void* data, int size) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  static_cast<Bytes*>(file)->insert(static_cast<Bytes*>(file)->end(), bytes, bytes + size);
}

}  // namespace

Bytes picture_file(ImageKind kind, int height, int width, int channels, const Bytes& pixels) {
  Bytes file;
  switch (kind) {
    case ImageKind::png:
      stbi_write_png_to_func(append, &file, width, height, channels, pixels.data(), width * channels);
      break;
    case ImageKind::bmp: stbi_write_bmp_to_func(append, &file, width, height, channels, pixels.data()); break;
    case ImageKind::jpeg:
      stbi_write_jpg_to_func(append, &file, width, height, channels, pixels.data(), 100);
      break;
    case ImageKind::pgm: {
      const std::string head = "P5 " + std::to_string(width) + " " + std::to_string(height) + " 255\n";
      file = Bytes(head.begin(), head.end()) + pixels;
    }
  }
  return file;
}

}  // namespace softwarp
