#include <allheaders.h>
#include <fmt/format.h>
#include <png.h>
#include <softwarp/error.h>
#include <turbojpeg.h>

#include <algorithm>
#include <memory>

#include "host/io/byte_reader.h"
#include "host/io/image.h"

namespace softwarp {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;

[[noreturn]] void fail(const std::string& name, const std::string& found) {
  throw Error(
      fmt::format("{}: expected a PNG, JPEG, BMP or PGM picture of at most {} million pixels, found {}", name,
                  kMostPixels >> 20, found));
}

using Bytes = std::span<const std::uint8_t>;

// Red, green, blue and opacity of each pixel.
struct Rgba {
  Rgba(const std::string& name, std::int64_t rows, std::int64_t columns) : height(rows), width(columns) {
    if (rows <= 0 || columns <= 0 || rows > kMostPixels / columns)
      fail(name, fmt::format("one of {}x{}", rows, columns));
    bytes.resize(static_cast<std::size_t>(4 * rows * columns), 255);
  }

  std::int64_t height, width;
  std::vector<std::uint8_t> bytes;
};

Rgba decode_png(Bytes bytes, const std::string& name) {
  struct Free {
    void operator()(png_image* image) const { png_image_free(image); }
  };
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, Free> owner(&image);
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0)
    fail(name, fmt::format("a damaged PNG ({})", image.message));
  image.format = PNG_FORMAT_RGBA;
  Rgba rgba(name, image.height, image.width);
  if (png_image_finish_read(&image, nullptr, rgba.bytes.data(), 0, nullptr) == 0)
    fail(name, fmt::format("a damaged PNG ({})", image.message));
  return rgba;
}

Rgba decode_jpeg(Bytes bytes, const std::string& name) {
  struct Destroy {
    void operator()(void* handle) const { tjDestroy(handle); }
  };
  const std::unique_ptr<void, Destroy> handle(tjInitDecompress());
  const auto check = [&](int status) {
    if (status != 0) fail(name, fmt::format("a damaged JPEG ({})", tjGetErrorStr2(handle.get())));
  };
  int width = 0, height = 0, subsampling = 0, colours = 0;
  check(
      tjDecompressHeader3(handle.get(), bytes.data(), bytes.size(), &width, &height, &subsampling, &colours));
  Rgba rgba(name, height, width);
  check(tjDecompress2(handle.get(), bytes.data(), bytes.size(), rgba.bytes.data(), width, /*pitch=*/0, height,
                      TJPF_RGBA, /*flags=*/0));
  return rgba;
}

// BMP and PNM. (Leptonica reads the others as well, but lets their libraries print what is wrong.)
Rgba decode_by_leptonica(Bytes bytes, const std::string& name) {
  struct Destroy {
    void operator()(Pix* pix) const { pixDestroy(&pix); }
  };
  using OwnedPix = std::unique_ptr<Pix, Destroy>;
  setMsgSeverity(L_SEVERITY_NONE);
  leptSetStderrHandler([](const char*) {});
  int format = 0, width = 0, height = 0, depth = 0, samples = 0, has_colormap = 0;
  if (pixReadHeaderMem(bytes.data(), bytes.size(), &format, &width, &height, &depth, &samples,
                       &has_colormap) != 0)
    fail(name, "a damaged one");
  Rgba rgba(name, height, width);
  const OwnedPix decoded(pixReadMem(bytes.data(), bytes.size()));
  const OwnedPix colours(decoded ? pixConvertTo32(decoded.get()) : nullptr);
  if (!colours || pixGetWidth(colours.get()) != width || pixGetHeight(colours.get()) != height)
    fail(name, "a damaged one");
  const l_uint32* line = pixGetData(colours.get());
  auto to = rgba.bytes.begin();
  for (int y = 0; y < height; ++y, line += pixGetWpl(colours.get()))
    for (int x = 0; x < width; ++x, to += 4) {
      int red = 0, green = 0, blue = 0;
      extractRGBValues(line[x], &red, &green, &blue);
      to[0] = static_cast<std::uint8_t>(red);
      to[1] = static_cast<std::uint8_t>(green);
      to[2] = static_cast<std::uint8_t>(blue);
    }
  return rgba;
}

Rgba decode(Bytes bytes, const std::string& name) {
  const auto begins_with = [&](std::initializer_list<int> head) {
    return bytes.size() > head.size() && std::equal(head.begin(), head.end(), bytes.begin());
  };
  if (begins_with({0x89, 'P', 'N', 'G'})) return decode_png(bytes, name);
  if (begins_with({0xFF, 0xD8, 0xFF})) return decode_jpeg(bytes, name);
  // It looks at the first bytes without asking how many there are.
  constexpr std::size_t kLeastBytes = 12;
  int format = IFF_UNKNOWN;
  if (bytes.size() >= kLeastBytes) findFileFormatBuffer(bytes.data(), &format);
  if (format == IFF_BMP || format == IFF_PNM) return decode_by_leptonica(bytes, name);
  fail(name, fmt::format("something else ({} bytes)", bytes.size()));
}

// Luminance (ITU-R BT.601), on black if what is drawn is light, otherwise on white.
Image to_grey(const Rgba& rgba) {
  Image image{rgba.height, rgba.width, {}};
  image.pixels.reserve(rgba.bytes.size() / 4);
  double light = 0, drawn = 0;
  for (std::size_t i = 0; i < rgba.bytes.size(); i += 4) {
    const auto at = [&](std::size_t k) { return static_cast<float>(rgba.bytes[i + k]); };
    image.pixels.push_back((299 * at(0) + 587 * at(1) + 114 * at(2)) / 1000);
    light += double{image.pixels.back() * at(3)};
    drawn += double{at(3)};
  }
  const float background = light > 127.5 * drawn ? 0.0f : 255.0f;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const float opacity = static_cast<float>(rgba.bytes[4 * i + 3]) / 255;
    image.pixels[i] = background + opacity * (image.pixels[i] - background);
  }
  return image;
}

}  // namespace

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name) {
  return to_grey(decode(bytes, name));
}

Image read_image(const std::filesystem::path& path) {
  constexpr std::size_t kPiece = 1 << 16, kMostBytes = std::size_t{1} << 28;
  ByteReader file(path);
  std::vector<std::uint8_t> bytes;
  for (std::size_t got = kPiece; got == kPiece;) {
    bytes.resize(bytes.size() + kPiece);
    got = file.read(std::span(bytes).last(kPiece));
    bytes.resize(bytes.size() - kPiece + got);
    if (bytes.size() > kMostBytes) fail(path.string(), "more than 256 MiB");
  }
  return decode_image(bytes, path.string());
}

}  // namespace softwarp
