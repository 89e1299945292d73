// Pictures, from the file to what a network sees.

#include "host/data/framing.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  softwarp::expect_value_or_error([&] {
    const auto image = softwarp::decode_image({data, size}, "picture");
    if (image.pixels.size() > 1 << 20) return;  // framing takes time and knows no formats
    const auto framed =
        softwarp::frame_image(image, {softwarp::Framing::Kind::mass, 20.0 / 28}, 28, 28, 255, "picture");
    if (framed.pixels.size() != 28 * 28) __builtin_trap();
  });
  return 0;
}
