#include "host/io/image.h"

#include <fmt/format.h>
#include <png.h>
#include <softwarp/error.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <system_error>

#include "host/io/byte_reader.h"
#include "host/io/file.h"
#include "host/io/image_formats.h"

namespace softwarp {
namespace image_formats {

void fail(const std::string& name, const std::string& found) {
  throw Error(fmt::format(
      "{}: expected a PNG, JPEG, BMP, PGM, GIF, WebP or TIFF picture of at most {} million pixels, found {}",
      name, kMostPixels >> 20, found));
}

void check_size(const std::string& name, std::int64_t height, std::int64_t width) {
  if (height <= 0 || width <= 0 || height > kMostPixels / width)
    fail(name, fmt::format("one of {}x{}", width, height));
}

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
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // as of 8 bits: unless the file says so, 16 are not linear
  Rgba rgba(name, image.height, image.width);
  if (png_image_finish_read(&image, nullptr, rgba.bytes.data(), 0, nullptr) == 0)
    fail(name, fmt::format("a damaged PNG ({})", image.message));
  return rgba;
}

}  // namespace image_formats

namespace {

using namespace image_formats;

bool has(Bytes bytes, std::size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

// The name of a format that people may take for one of those that are read.
std::string other_format(Bytes bytes) {
  if (bytes.empty()) return "an empty file";
  for (const std::string_view brand : {"heic", "heix", "hevc", "mif1", "msf1"})
    if (has(bytes, 4, "ftyp") && has(bytes, 8, brand)) return "a HEIC picture: export it as JPEG";
  if (has(bytes, 4, "ftypavif")) return "an AVIF picture: export it as JPEG or PNG";
  if (has(bytes, 4, "jP  ") || has(bytes, 0, "\xFF\x4F\xFF\x51"))
    return "a JPEG 2000 picture: export it as PNG";
  if (has(bytes, 0, "%PDF")) return "a PDF: export the page as PNG";
  if (has(bytes, 0, "<svg") || has(bytes, 0, "<?xml")) return "an SVG or XML file: export it as PNG";
  if (has(bytes, 0, "P7\n") || has(bytes, 0, "PF\n") || has(bytes, 0, "Pf\n"))
    return "a PAM or PFM picture: export it as PGM";
  if (has(bytes, 0, "\x93NUMPY")) return "a NumPy array: save it as PNG";
  return fmt::format("something else ({} bytes)", bytes.size());
}

Rgba decode(Bytes bytes, const std::string& name) {
  if (has(bytes, 0, "\x89PNG")) return decode_png(bytes, name);
  if (has(bytes, 0, "\xFF\xD8\xFF")) return decode_jpeg(bytes, name);
  if (has(bytes, 0, "BM") && bytes.size() > 14) return decode_bmp(bytes, name);
  if (bytes.size() > 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6')
    return decode_pnm(bytes, name);
  // Leptonica looks at the first bytes without asking how many there are.
  constexpr std::size_t kLeastBytes = 16;
  const bool tiff =
      has(bytes, 0, std::string_view("II*\0", 4)) || has(bytes, 0, std::string_view("MM\0*", 4));
  const bool webp = has(bytes, 0, "RIFF") && has(bytes, 8, "WEBP");
  if (bytes.size() >= kLeastBytes && (has(bytes, 0, "GIF87a") || has(bytes, 0, "GIF89a") || webp || tiff))
    return decode_by_leptonica(bytes, name);
  fail(name, other_format(bytes));
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

// Turned so that it is seen as the camera saw it.
Image upright(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool lies = orientation >= 5;
  Image turned{lies ? image.width : image.height, lies ? image.height : image.width, {}, true};
  turned.pixels.reserve(image.pixels.size());
  for (std::int64_t y = 0; y < turned.height; ++y)
    for (std::int64_t x = 0; x < turned.width; ++x) {
      std::int64_t from_y = lies ? x : y, from_x = lies ? y : x;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
        from_y = image.height - 1 - from_y;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        from_x = image.width - 1 - from_x;
      turned.pixels.push_back(image.at(from_y, from_x));
    }
  return turned;
}

std::vector<std::uint8_t> read_standard_input(std::size_t most) {
  if (std::feof(stdin))
    throw Error("standard input: expected - for one picture, found it again (it has been read to its end)");
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 1 << 16> piece{};
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), stdin)) {
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(n));
    if (bytes.size() > most) fail("standard input", "more than 256 MiB");
  }
  if (std::ferror(stdin))
    throw Error(
        fmt::format("standard input: expected a picture, found {}", std::generic_category().message(errno)));
  return bytes;
}

}  // namespace

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name) {
  Image image = to_grey(decode(bytes, name));
  return upright(std::move(image), exif_orientation(bytes));
}

Image read_image(const std::filesystem::path& path) {
  constexpr std::size_t kPiece = 1 << 16, kMostBytes = std::size_t{1} << 28;
  if (path == "-") return decode_image(read_standard_input(kMostBytes), "standard input");
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

void write_png(const std::filesystem::path& path, std::span<const std::uint8_t> pixels, std::int64_t height,
               std::int64_t width) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.format = PNG_FORMAT_GRAY;
  image.height = static_cast<png_uint_32>(height);
  image.width = static_cast<png_uint_32>(width);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::byte> bytes(size);
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr) == 0)
    throw Error(fmt::format("{}: expected a PNG, found {}", path.string(), image.message));
  const std::span<const std::byte> whole(bytes.data(), size);
  write_file_atomically(path, {&whole, 1});
}

}  // namespace softwarp
