#include <turbojpeg.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "host/io/image_formats.h"

namespace softwarp::image_formats {
namespace {

// Adobe's programs store ink the other way round, and say in a segment of 14 bytes that the file is theirs.
bool is_adobe(Bytes bytes) {
  constexpr std::string_view kMark(
      "\xFF\xEE\0\x0E"
      "Adobe",
      9);
  return std::ranges::search(bytes, kMark, {}, {}, [](char c) {
           return static_cast<std::uint8_t>(c);
         }).begin() != bytes.end();
}

void to_rgb(Rgba& rgba, bool inverted) {
  for (std::size_t i = 0; i < rgba.bytes.size(); i += 4) {
    std::uint8_t* ink = rgba.bytes.data() + i;
    const int black = inverted ? ink[3] : 255 - ink[3];
    for (std::size_t k = 0; k < 3; ++k)
      ink[k] = static_cast<std::uint8_t>((inverted ? ink[k] : 255 - ink[k]) * black / 255);
    ink[3] = 255;
  }
}

}  // namespace

Rgba decode_jpeg(Bytes bytes, const std::string& name) {
  struct Destroy {
    void operator()(void* handle) const { tjDestroy(handle); }
  };
  const std::unique_ptr<void, Destroy> handle(tjInitDecompress());
  const auto check = [&](int status) {
    if (status == 0) return;
    const std::string_view reason = tjGetErrorStr2(handle.get());
    // Bytes between two segments cost no pixel.
    if (tjGetErrorCode(handle.get()) == TJERR_WARNING && reason.find("extraneous") != std::string_view::npos)
      return;
    const bool sound = reason.starts_with("Unsupported");
    fail(name, fmt::format("a{} JPEG ({})", sound ? " kind of" : " damaged", reason));
  };
  int width = 0, height = 0, subsampling = 0, colours = 0;
  check(
      tjDecompressHeader3(handle.get(), bytes.data(), bytes.size(), &width, &height, &subsampling, &colours));
  Rgba rgba(name, height, width);
  const bool inks = colours == TJCS_CMYK || colours == TJCS_YCCK;
  check(tjDecompress2(handle.get(), bytes.data(), bytes.size(), rgba.bytes.data(), width, /*pitch=*/0, height,
                      inks ? TJPF_CMYK : TJPF_RGBA, /*flags=*/0));
  if (inks) to_rgb(rgba, is_adobe(bytes.first(std::min<std::size_t>(bytes.size(), 1 << 16))));
  return rgba;
}

}  // namespace softwarp::image_formats
