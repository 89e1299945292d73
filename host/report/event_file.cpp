#include "host/report/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <softwarp/error.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <protozero/pbf_writer.hpp>
#include <system_error>

namespace softwarp {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

// The fields that are written of event.proto and summary.proto, by their numbers there.
enum class Event : protozero::pbf_tag_type {
  wall_time = 1,
  step = 2,
  file_version = 3,
  summary = 5,
  session = 7
};
enum class Summary : protozero::pbf_tag_type { value = 1 };
enum class Value : protozero::pbf_tag_type { tag = 1, simple_value = 2 };
enum class Session : protozero::pbf_tag_type { status = 1 };
constexpr std::int32_t kSessionStart = 1;

template <class Field>
constexpr protozero::pbf_tag_type number(Field field) {
  return static_cast<protozero::pbf_tag_type>(field);
}

[[noreturn]] void fail(const fs::path& path, int error) {
  throw Error(fmt::format("{}: expected a file that can be written, found {}", path.string(),
                          std::generic_category().message(error)));
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

// TFRecord turns CRC-32C and adds a constant, so that a checksum of bytes that hold one is still good.
std::string checksum(std::string_view bytes) {
  boost::crc_optimal<32, 0x1edc6f41, 0xffffffff, 0xffffffff, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const auto sum = static_cast<std::uint32_t>(crc.checksum());
  return little_endian(((sum >> 15) | (sum << 17)) + 0xa282ead8u, 4);
}

std::string record(std::string_view event) {
  const std::string length = little_endian(event.size(), 8);
  return fmt::format("{}{}{}{}", length, checksum(length), event, checksum(event));
}

template <class Fill>
std::string event_record(std::int64_t step, Fill&& fill) {
  std::string bytes;
  protozero::pbf_writer event(bytes);
  event.add_double(number(Event::wall_time), now());
  event.add_int64(number(Event::step), step);
  fill(event);
  return record(bytes);
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  std::string text = name.data();
  std::replace(text.begin(), text.end(), '/', '-');
  return text;
}

// Now, or after the last event file there, which a fast resumption or a clock put right may have made later.
std::int64_t seconds_after_others_in(const fs::path& directory) {
  auto seconds = static_cast<std::int64_t>(now());
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t other = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), other);
    if (other < 9'999'999'999) seconds = std::max(seconds, other + 1);
  }
  return seconds;
}

}  // namespace

EventFile::EventFile(const fs::path& directory, std::int64_t first_step)
    : path_(directory / fmt::format("{}{:010}.{}.{}", kPrefix, seconds_after_others_in(directory),
                                    host_name(), getpid())) {
  descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(path_, errno);
  try {
    append(
        event_record(0, [](auto& event) { event.add_string(number(Event::file_version), "brain.Event:2"); }) +
        event_record(first_step, [](auto& event) {
          protozero::pbf_writer session(event, number(Event::session));
          session.add_enum(number(Session::status), kSessionStart);
        }));
  } catch (const Error&) {
    ::close(descriptor_);
    unlink(path_.c_str());
    throw;
  }
}

EventFile::~EventFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void EventFile::add(std::int64_t step, std::span<const Scalar> scalars) {
  append(event_record(step, [&](protozero::pbf_writer& event) {
    protozero::pbf_writer summary(event, number(Event::summary));
    for (const Scalar& scalar : scalars) {
      protozero::pbf_writer value(summary, number(Summary::value));
      value.add_string(number(Value::tag), scalar.tag);
      value.add_float(number(Value::simple_value), static_cast<float>(scalar.value));
    }
  }));
}

void EventFile::close() {
  const int status = ::close(descriptor_);
  descriptor_ = -1;
  if (status != 0) fail(path_, errno);
}

void EventFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace softwarp
