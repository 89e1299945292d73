// Windows' and OS/2's bitmaps, of every header and depth.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "host/io/image_formats.h"

namespace softwarp::image_formats {
namespace {

enum Compression : std::uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kMasks = 3, kMasksWithAlpha = 6 };

struct Palette {
  std::array<std::array<std::uint8_t, 3>, 256> colours{};
};

class Bitmap {
 public:
  Bitmap(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  Rgba decode() {
    read_header();
    check_size(name_, height_, width_);
    if (compression_ == kRle8 || compression_ == kRle4) return decode_runs();
    check_pixels();
    Rgba rgba(name_, height_, width_);
    bool unset = true;
    for (std::int64_t y = 0; y < height_; ++y) {
      const std::size_t row = offset_ + static_cast<std::size_t>(top_down_ ? y : height_ - 1 - y) * stride();
      auto* to = rgba.bytes.data() + 4 * y * width_;
      for (std::int64_t x = 0; x < width_; ++x, to += 4) {
        read_pixel(row, static_cast<std::size_t>(x), to);
        unset = unset && to[3] == 0;
      }
    }
    // Opacity that is nowhere above 0 was left unset.
    if (unset)
      for (std::size_t i = 3; i < rgba.bytes.size(); i += 4) rgba.bytes[i] = 255;
    return rgba;
  }

 private:
  std::uint32_t number(std::size_t at, std::size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) fail(name_, "a BMP that is cut short");
    std::uint32_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | bytes_[at + i];
    return value;
  }
  // A field of the header, 0 where the header is too short to have it.
  std::uint32_t field(std::size_t at, std::size_t size) const {
    return at + size <= header_bytes_ ? number(14 + at, size) : 0;
  }

  void read_header() {
    offset_ = number(10, 4);
    header_bytes_ = number(14, 4);
    const bool core = header_bytes_ == 12;
    if (!core && (header_bytes_ < 16 || header_bytes_ > 4096))
      fail(name_, fmt::format("a damaged BMP (a header of {} bytes)", header_bytes_));
    if (core) {
      width_ = field(4, 2), height_ = field(6, 2), bits_ = field(10, 2);
    } else {
      width_ = static_cast<std::int32_t>(field(4, 4));
      height_ = static_cast<std::int32_t>(field(8, 4));
      bits_ = field(14, 2);
      compression_ = field(16, 4);
    }
    top_down_ = height_ < 0;
    height_ = std::abs(height_);
    const bool runs = (compression_ == kRle8 && bits_ == 8) || (compression_ == kRle4 && bits_ == 4);
    const bool masks = (compression_ == kMasks || compression_ == kMasksWithAlpha) && header_bytes_ != 64 &&
                       (bits_ == 16 || bits_ == 32);
    if (compression_ != kPlain && !runs && !masks)
      fail(name_, fmt::format("a BMP of compression {} and {} bits, which is not read", compression_, bits_));
    constexpr std::array kDepths{1u, 2u, 4u, 8u, 16u, 24u, 32u};
    if (std::ranges::find(kDepths, bits_) == kDepths.end())
      fail(name_, fmt::format("a damaged BMP ({} bits a pixel)", bits_));
    std::size_t end = 14 + std::size_t{header_bytes_};
    if (bits_ > 8) read_masks(masks, end);
    if (bits_ <= 8) read_palette(core, end);
    if (offset_ < end) offset_ = end;
  }

  void read_masks(bool given, std::size_t& end) {
    if (bits_ == 16) masks_ = {0x7C00, 0x3E0, 0x1F, 0};
    if (bits_ == 32) masks_ = {0xFF0000, 0xFF00, 0xFF, 0};
    if (!given) return;
    const bool alpha = header_bytes_ >= 56 || compression_ == kMasksWithAlpha;
    for (std::size_t i = 0; i < 3 + std::size_t{alpha}; ++i) masks_[i] = number(54 + 4 * i, 4);
    if (header_bytes_ == 40) end += alpha ? 16 : 12;
  }

  void read_palette(bool core, std::size_t& end) {
    const std::uint32_t promised = field(32, 4), most = 1u << bits_;
    const std::uint32_t count = core || promised == 0 || promised > most ? most : promised;
    const std::size_t each = core ? 3 : 4;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (offset_ > end && end + each > offset_) break;  // fewer than the depth allows
      for (std::size_t k = 0; k < 3; ++k)
        palette_.colours[i][k] = static_cast<std::uint8_t>(number(end + 2 - k, 1));
      end += each;
    }
  }

  std::size_t stride() const { return (static_cast<std::size_t>(width_) * bits_ + 31) / 32 * 4; }

  void check_pixels() const {
    const std::size_t last =
        (static_cast<std::size_t>(width_) * bits_ + 7) / 8;  // its padding may be missing
    const std::size_t needed = stride() * static_cast<std::size_t>(height_ - 1) + last;
    if (offset_ > bytes_.size() || bytes_.size() - offset_ < needed) fail(name_, "a BMP that is cut short");
  }

  void set_index(std::size_t index, std::uint8_t* to) const {
    std::copy_n(palette_.colours[index].begin(), 3, to);
  }

  void read_pixel(std::size_t row, std::size_t x, std::uint8_t* to) const {
    if (bits_ <= 8) {
      const std::size_t bit = x * bits_;
      const unsigned byte = bytes_[row + bit / 8];
      return set_index(byte >> (8 - bits_ - bit % 8) & ((1u << bits_) - 1), to);
    }
    const std::uint8_t* at = bytes_.data() + row + x * (bits_ / 8);
    if (bits_ == 24) {
      to[0] = at[2], to[1] = at[1], to[2] = at[0];
      return;
    }
    std::uint32_t value = std::uint32_t{at[0]} | std::uint32_t{at[1]} << 8;
    if (bits_ == 32) value |= std::uint32_t{at[2]} << 16 | std::uint32_t{at[3]} << 24;
    for (std::size_t k = 0; k < 4; ++k) {
      if (masks_[k] == 0) {
        if (k < 3) to[k] = 0;
        continue;
      }
      const int shift = std::countr_zero(masks_[k]);
      const std::uint64_t most = masks_[k] >> shift, part = (value & masks_[k]) >> shift;
      to[k] = static_cast<std::uint8_t>((part * 255 + most / 2) / most);
    }
  }

  // Run-length encoding; a pixel that no run reaches has the palette's first colour.
  Rgba decode_runs() const {
    Rgba rgba(name_, height_, width_);
    for (std::size_t i = 0; i < rgba.bytes.size(); i += 4) set_index(0, rgba.bytes.data() + i);
    std::int64_t x = 0, y = 0;
    const auto put = [&](std::size_t index) {
      if (x < width_ && y < height_)
        set_index(index, rgba.bytes.data() + 4 * ((top_down_ ? y : height_ - 1 - y) * width_ + x));
      ++x;
    };
    const auto nibble = [&](std::uint32_t byte, std::uint32_t i) {
      return bits_ == 8 ? byte : (i % 2 == 0 ? byte >> 4 : byte & 15);
    };
    for (std::size_t at = offset_;
         y < height_ && (y + 1 < height_ || x < width_ || at + 2 <= bytes_.size());) {
      const std::uint32_t count = number(at, 1), value = number(at + 1, 1);
      at += 2;
      if (count > 0) {
        for (std::uint32_t i = 0; i < count; ++i) put(nibble(value, i));
      } else if (value == 0) {  // end of the row
        x = 0, ++y;
      } else if (value == 1) {  // end of the picture
        break;
      } else if (value == 2) {
        x += number(at, 1), y += number(at + 1, 1);
        at += 2;
      } else {
        for (std::uint32_t i = 0; i < value; ++i) put(nibble(number(at + (bits_ == 8 ? i : i / 2), 1), i));
        const std::uint32_t used = bits_ == 8 ? value : (value + 1) / 2;
        at += used + used % 2;
      }
    }
    return rgba;
  }

  Bytes bytes_;
  const std::string& name_;
  std::size_t offset_ = 0;
  std::uint32_t header_bytes_ = 0, bits_ = 0, compression_ = kPlain;
  std::int64_t width_ = 0, height_ = 0;
  bool top_down_ = false;
  std::array<std::uint32_t, 4> masks_{};
  Palette palette_;
};

}  // namespace

Rgba decode_bmp(Bytes bytes, const std::string& name) { return Bitmap(bytes, name).decode(); }

}  // namespace softwarp::image_formats
