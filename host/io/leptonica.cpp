// GIF, WebP and TIFF, by the libraries that Leptonica was built with.

#include <allheaders.h>

#include <array>
#include <memory>
#include <string_view>

#include "host/io/image_formats.h"

namespace softwarp::image_formats {
namespace {

// A GIF up to the end of its first frame, and its end: the library would read all frames, of any size.
std::vector<std::uint8_t> first_frame(Bytes bytes, const std::string& name, std::int64_t& height,
                                      std::int64_t& width) {
  std::size_t at = 13;
  const auto need = [&](std::size_t count) {
    if (at > bytes.size() || bytes.size() - at < count) fail(name, "a GIF that is cut short");
  };
  const auto pass_blocks = [&] {
    for (need(1); bytes[at] != 0; need(1)) at += std::size_t{1} + bytes[at];
    ++at;
  };
  const auto pass_colours = [&](int flags) {
    if (flags & 0x80) at += std::size_t{3} << ((flags & 7) + 1);
  };
  need(0);
  pass_colours(bytes[10]);
  while (true) {
    need(1);
    const int kind = bytes[at];
    if (kind == 0x21) {
      at += 2;
      pass_blocks();
    } else if (kind == 0x2C) {
      need(10);
      width = bytes[at + 5] | bytes[at + 6] << 8, height = bytes[at + 7] | bytes[at + 8] << 8;
      const int flags = bytes[at + 9];
      at += 10;
      pass_colours(flags);
      ++at;  // the size of a code
      pass_blocks();
      break;
    } else {
      fail(name, "a GIF without a picture");
    }
  }
  std::vector<std::uint8_t> one(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  one.push_back(0x3B);
  return one;
}

std::string_view name_of(int format) {
  return format == IFF_GIF ? "GIF" : format == IFF_WEBP ? "WebP" : "TIFF";
}

}  // namespace

Rgba decode_by_leptonica(Bytes bytes, const std::string& name) {
  struct Destroy {
    void operator()(Pix* pix) const { pixDestroy(&pix); }
  };
  using OwnedPix = std::unique_ptr<Pix, Destroy>;
  setMsgSeverity(L_SEVERITY_NONE);
  leptSetStderrHandler([](const char*) {});
  int format = IFF_UNKNOWN;
  findFileFormatBuffer(bytes.data(), &format);
  std::int64_t most_height = 0, most_width = 0;
  std::vector<std::uint8_t> gif;
  const auto refuse = [&] {
    fail(name, fmt::format("a {0} that is damaged, or of a kind that this build's Leptonica does not read",
                           name_of(format)));
  };
  if (format == IFF_GIF) {
    gif = first_frame(bytes, name, most_height, most_width);
    bytes = gif;
  } else {
    int kind = 0, width = 0, height = 0, depth = 0, samples = 0, has_colormap = 0;
    if (pixReadHeaderMem(bytes.data(), bytes.size(), &kind, &width, &height, &depth, &samples,
                         &has_colormap) != 0)
      refuse();
    most_height = height, most_width = width;
  }
  check_size(name, most_height, most_width);
  const OwnedPix decoded(pixReadMem(bytes.data(), bytes.size()));
  const OwnedPix colours(decoded ? pixConvertTo32(decoded.get()) : nullptr);
  if (!colours) refuse();
  const bool has_alpha = pixGetDepth(decoded.get()) == 32 && pixGetSpp(decoded.get()) == 4;
  Rgba rgba(name, pixGetHeight(colours.get()), pixGetWidth(colours.get()));
  const l_uint32* line = pixGetData(colours.get());
  auto* to = rgba.bytes.data();
  for (std::int64_t y = 0; y < rgba.height; ++y, line += pixGetWpl(colours.get()))
    for (std::int64_t x = 0; x < rgba.width; ++x, to += 4) {
      for (int k = 0; k < 3; ++k) to[k] = static_cast<std::uint8_t>(line[x] >> (24 - 8 * k));
      if (has_alpha) to[3] = static_cast<std::uint8_t>(line[x]);
    }
  return rgba;
}

}  // namespace softwarp::image_formats
