#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace softwarp {

// CRC-32C, a bit at a time, as its definition has it.
inline std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t sum = 0xffffffff;
  for (const char byte : bytes) {
    sum ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~sum;
}

// The fields of an event, by the numbers of event.proto and summary.proto.
struct ReadEvent {
  double wall_time = 0;
  std::int64_t step = 0;
  std::string file_version;
  int session_status = 0;
  std::map<std::string, float> scalars;
};

inline ReadEvent parse_event(std::string_view bytes) {
  ReadEvent event;
  protozero::pbf_reader reader(bytes.data(), bytes.size());
  while (reader.next()) switch (reader.tag()) {
      case 1: event.wall_time = reader.get_double(); break;
      case 2: event.step = reader.get_int64(); break;
      case 3: event.file_version = reader.get_string(); break;
      case 5: {
        protozero::pbf_reader summary = reader.get_message();
        while (summary.next(1)) {
          protozero::pbf_reader value = summary.get_message();
          std::string tag;
          while (value.next()) {
            if (value.tag() == 1)
              tag = value.get_string();
            else if (value.tag() == 2)
              event.scalars[tag] = value.get_float();
            else
              value.skip();
          }
        }
        break;
      }
      case 7: {
        protozero::pbf_reader session = reader.get_message();
        while (session.next(1)) event.session_status = session.get_enum();
        break;
      }
      default: throw std::runtime_error("an event has a field that is not written");
    }
  return event;
}

// The events of a file whose every checksum is right.
inline std::vector<ReadEvent> read_events(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<ReadEvent> events;
  std::size_t at = 0;
  const auto take = [&](std::size_t count) {
    if (bytes.size() - at < count) throw std::runtime_error("the file ends in a record");
    at += count;
    return std::string_view(bytes).substr(at - count, count);
  };
  const auto take_checked = [&](std::size_t count) {
    const std::string_view part = take(count);
    std::uint32_t stored = 0;
    std::memcpy(&stored, take(4).data(), 4);
    const std::uint32_t sum = crc32c(part);
    if (stored != ((sum >> 15 | sum << 17) + 0xa282ead8u)) throw std::runtime_error("a checksum is wrong");
    return part;
  };
  while (at < bytes.size()) {
    std::uint64_t length = 0;
    std::memcpy(&length, take_checked(8).data(), 8);
    events.push_back(parse_event(take_checked(length)));
  }
  return events;
}

}  // namespace softwarp
