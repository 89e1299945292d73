// Netpbm's formats P1 to P6: bitmaps, greys and colours, in text and in bytes.

#include <algorithm>
#include <cstring>

#include "host/io/image_formats.h"

namespace softwarp::image_formats {
namespace {

bool is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class Reader {
 public:
  Reader(Bytes bytes, const std::string& name) : rest_(bytes), name_(name) {}

  int next() {
    if (rest_.empty()) fail(name_, "a picture of Netpbm's that is cut short");
    const int c = rest_.front();
    rest_ = rest_.subspan(1);
    return c;
  }
  int next_but_comments() {
    int c = next();
    while (c == '#') {
      while (c != '\n' && c != '\r') c = next();
    }
    return c;
  }
  // The first character that is no space; comments are passed over.
  int next_visible() {
    int c = next_but_comments();
    while (is_space(c)) c = next_but_comments();
    return c;
  }
  // A number, and the one space that ends it.
  std::int64_t number() {
    int c = next_visible();
    std::int64_t value = 0;
    if (c < '0' || c > '9') fail(name_, "a damaged picture of Netpbm's (no number where one should be)");
    for (; c >= '0' && c <= '9'; c = next()) {
      value = std::min<std::int64_t>(10 * value + c - '0', INT32_MAX);
      if (rest_.empty()) return value;
    }
    if (c == '#')
      while (c != '\n' && c != '\r') c = next();
    return value;
  }
  std::size_t left() const { return rest_.size(); }
  // A line end of two characters before bytes that would otherwise be one too many.
  void pass_line_feed(std::size_t needed) {
    if (rest_.size() == needed + 1 && rest_.front() == '\n') rest_ = rest_.subspan(1);
  }

 private:
  Bytes rest_;
  const std::string& name_;
};

}  // namespace

Rgba decode_pnm(Bytes bytes, const std::string& name) {
  Reader reader(bytes.subspan(2), name);
  const int kind = bytes[1] - '0';  // 1 to 6
  const bool is_text = kind <= 3, is_bitmap = kind == 1 || kind == 4;
  const std::int64_t channels = kind == 3 || kind == 6 ? 3 : 1;
  const std::int64_t width = reader.number(), height = reader.number();
  const std::int64_t most = is_bitmap ? 1 : reader.number();
  check_size(name, height, width);
  if (most < 1 || most > 65535)
    fail(name, fmt::format("a picture of Netpbm's with a largest value of {}", most));

  const std::int64_t sample_bytes = most > 255 ? 2 : 1;
  const std::int64_t row_bytes = is_bitmap ? (width + 7) / 8 : width * channels * sample_bytes;
  // In text, a sample takes a digit and mostly a space.
  const auto needed = static_cast<std::size_t>(is_text ? width * height * channels : height * row_bytes);
  if (!is_text) reader.pass_line_feed(needed);
  if (reader.left() < needed) fail(name, "a picture of Netpbm's that is cut short");

  Rgba rgba(name, height, width);
  int bits = 0;
  const auto sample = [&](std::int64_t x) -> std::int64_t {
    if (kind == 1) return reader.next_visible() == '0' ? 1 : 0;
    if (kind == 4) {
      if (x % 8 == 0) bits = reader.next();
      return bits >> (7 - x % 8) & 1 ? 0 : 1;
    }
    if (is_text) return reader.number();
    const int high = sample_bytes == 2 ? reader.next() : 0;
    return 256 * high + reader.next();
  };
  auto* to = rgba.bytes.data();
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x, to += 4)
      for (std::int64_t k = 0; k < 3; ++k) {
        if (k >= channels) {
          to[k] = to[0];
          continue;
        }
        const std::int64_t value = sample(x);
        if (value > most)
          fail(name,
               fmt::format("a damaged picture of Netpbm's ({} above the largest value, {})", value, most));
        to[k] = static_cast<std::uint8_t>((value * 255 + most / 2) / most);
      }
  return rgba;
}

}  // namespace softwarp::image_formats
