#include <algorithm>
#include <cstring>
#include <string_view>

#include "host/io/image_formats.h"

namespace softwarp::image_formats {
namespace {

bool begins_with(Bytes bytes, std::string_view head) {
  return bytes.size() >= head.size() && std::memcmp(bytes.data(), head.data(), head.size()) == 0;
}

// `size` bytes from `at` as a number, 0 beyond the end.
std::uint32_t number_at(Bytes bytes, std::size_t at, std::size_t size, bool big_endian) {
  if (at > bytes.size() || bytes.size() - at < size) return 0;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes[at + (big_endian ? i : size - 1 - i)];
  return value;
}

Bytes from(Bytes bytes, std::size_t at) { return bytes.subspan(std::min(at, bytes.size())); }
Bytes part(Bytes bytes, std::size_t at, std::size_t size) {
  const Bytes rest = from(bytes, at);
  return rest.first(std::min(size, rest.size()));
}

int orientation_in(Bytes tiff) {
  constexpr std::uint32_t kOrientation = 0x0112;
  if (begins_with(tiff, std::string_view("Exif\0\0", 6))) tiff = tiff.subspan(6);
  const std::uint32_t value = tiff_number(tiff, kOrientation, 1);
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

int in_jpeg(Bytes bytes) {
  for (std::size_t at = 2; at + 4 <= bytes.size() && bytes[at] == 0xFF;) {
    const int marker = bytes[at + 1];
    if (marker == 0xFF) {  // padding
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;  // what follows are the pixels
    const std::size_t size = number_at(bytes, at + 2, 2, true);
    const Bytes segment = part(bytes, at + 4, size < 2 ? 0 : size - 2);
    if (marker == 0xE1 && begins_with(segment, std::string_view("Exif\0\0", 6)))
      return orientation_in(segment);
    at += 2 + std::max<std::size_t>(size, 2);
  }
  return 1;
}

int in_chunks(Bytes bytes, std::size_t begin, std::string_view kind, bool png) {
  for (std::size_t at = begin; at + 8 <= bytes.size();) {
    const std::size_t size = number_at(bytes, png ? at : at + 4, 4, png);
    if (begins_with(from(bytes, png ? at + 4 : at), kind)) return orientation_in(part(bytes, at + 8, size));
    at += 8 + size + (png ? 4 : size % 2);  // a checksum, or padding
  }
  return 1;
}

}  // namespace

std::uint32_t tiff_number(Bytes tiff, std::uint32_t tag, std::uint32_t otherwise) {
  constexpr std::uint32_t kShort = 3, kEntryBytes = 12;
  const bool big = begins_with(tiff, "MM");
  if (!big && !begins_with(tiff, "II")) return otherwise;
  const std::size_t directory = number_at(tiff, 4, 4, big);
  const std::uint32_t entries = number_at(tiff, directory, 2, big);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{kEntryBytes} * i;
    if (entry > tiff.size()) break;
    if (number_at(tiff, entry, 2, big) != tag) continue;
    return number_at(tiff, entry + 8, number_at(tiff, entry + 2, 2, big) == kShort ? 2 : 4, big);
  }
  return otherwise;
}

int exif_orientation(Bytes bytes) {
  if (begins_with(bytes, "\xFF\xD8")) return in_jpeg(bytes);
  if (begins_with(bytes, "\x89PNG")) return in_chunks(bytes, 8, "eXIf", true);
  if (begins_with(bytes, "RIFF") && begins_with(from(bytes, 8), "WEBP"))
    return in_chunks(bytes, 12, "EXIF", false);
  return 1;
}

}  // namespace softwarp::image_formats
