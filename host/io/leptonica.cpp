// GIF, WebP and TIFF, by the libraries that Leptonica was built with.

#include <allheaders.h>

#include <memory>

#include "host/io/image_formats.h"

namespace softwarp::image_formats {
namespace {

// A GIF up to the end of its first frame, and its end: the library would read all frames, of any size.
struct FirstFrame {
  std::vector<std::uint8_t> bytes;
  std::int64_t height = 0, width = 0;
  int transparent = -1;  // the palette's colour that is none
};

FirstFrame first_frame(Bytes bytes, const std::string& name) {
  FirstFrame frame;
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
  for (need(1); bytes[at] == 0x21; need(1)) {
    need(7);
    if (bytes[at + 1] == 0xF9) frame.transparent = bytes[at + 3] & 1 ? bytes[at + 6] : -1;
    at += 2;
    pass_blocks();
  }
  if (bytes[at] != 0x2C) fail(name, "a GIF without a picture");
  need(10);
  frame.width = bytes[at + 5] | bytes[at + 6] << 8, frame.height = bytes[at + 7] | bytes[at + 8] << 8;
  const int flags = bytes[at + 9];
  at += 10;
  pass_colours(flags);
  ++at;  // the size of a code
  pass_blocks();
  frame.bytes.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  frame.bytes.push_back(0x3B);
  return frame;
}

// Leptonica takes 0 for white where it is in pixels of 1 and of 8 bits only.
bool is_negative(Bytes bytes, int depth) {
  constexpr std::uint32_t kPhotometric = 0x0106, kWhiteIsZero = 0;
  return depth != 1 && depth != 8 && tiff_number(bytes, kPhotometric, 1) == kWhiteIsZero;
}

struct Destroy {
  void operator()(Pix* pix) const { pixDestroy(&pix); }
};
using OwnedPix = std::unique_ptr<Pix, Destroy>;

// The picture as Leptonica has it; nothing where it is damaged.
OwnedPix read_pix(Bytes bytes, int format, const std::string& name) {
  FirstFrame frame;
  if (format == IFF_GIF) {
    frame = first_frame(bytes, name);
    bytes = frame.bytes;
  } else {
    int kind = 0, width = 0, height = 0, depth = 0, samples = 0, has_colormap = 0;
    if (pixReadHeaderMem(bytes.data(), bytes.size(), &kind, &width, &height, &depth, &samples,
                         &has_colormap) != 0 ||
        height <= 0 || width <= 0)
      return nullptr;
    frame.height = height, frame.width = width;
  }
  check_size(name, frame.height, frame.width);
  OwnedPix pix(pixReadMem(bytes.data(), bytes.size()));
  if (pix && format != IFF_GIF && format != IFF_WEBP && is_negative(bytes, pixGetDepth(pix.get())))
    pixInvert(pix.get(), pix.get());
  if (pix && frame.transparent >= 0) pixcmapSetAlpha(pixGetColormap(pix.get()), frame.transparent, 0);
  return pix;
}

// 32 bits a pixel, with the palette's colours and opacity.
OwnedPix without_palette(Pix* pix) {
  if (pix == nullptr) return nullptr;
  if (pixGetColormap(pix) == nullptr) return OwnedPix(pixConvertTo32(pix));
  return OwnedPix(pixRemoveColormap(pix, REMOVE_CMAP_WITH_ALPHA));
}

}  // namespace

Rgba decode_by_leptonica(Bytes bytes, const std::string& name) {
  setMsgSeverity(L_SEVERITY_NONE);
  leptSetStderrHandler([](const char*) {});
  int format = IFF_UNKNOWN;
  findFileFormatBuffer(bytes.data(), &format);
  const OwnedPix pix = without_palette(read_pix(bytes, format, name).get());
  if (!pix)
    fail(name, fmt::format("a {} that is damaged, or of a kind that this build's Leptonica does not read",
                           format == IFF_GIF    ? "GIF"
                           : format == IFF_WEBP ? "WebP"
                                                : "TIFF"));
  const bool has_alpha = pixGetSpp(pix.get()) == 4;
  Rgba rgba(name, pixGetHeight(pix.get()), pixGetWidth(pix.get()));
  const l_uint32* line = pixGetData(pix.get());
  auto* to = rgba.bytes.data();
  for (std::int64_t y = 0; y < rgba.height; ++y, line += pixGetWpl(pix.get()))
    for (std::int64_t x = 0; x < rgba.width; ++x, to += 4) {
      for (int k = 0; k < 3; ++k) to[k] = static_cast<std::uint8_t>(line[x] >> (24 - 8 * k));
      if (has_alpha) to[3] = static_cast<std::uint8_t>(line[x]);
    }
  return rgba;
}

}  // namespace softwarp::image_formats
