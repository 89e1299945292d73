#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace softwarp {

struct Scalar {
  std::string tag;
  double value = 0;
};

// A file of TensorBoard's: records, each a length, the length's checksum, an Event as a protocol buffer and
// its checksum. It grows while somebody reads it, so what is added lies in the file when the call returns.
class EventFile {
 public:
  // Makes events.out.tfevents.<seconds>.<host>.<process> in the directory, its name after those of the event
  // files that are there, for readers take them in that order. Its first event is the start of a session at
  // `first_step`, upon which they forget what earlier files say of that step and later ones. Throws Error
  // naming the file and the reason, as the others do.
  EventFile(const std::filesystem::path& directory, std::int64_t first_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // One event, stamped with the time of day.
  void add(std::int64_t step, std::span<const Scalar> scalars);
  // Some file systems report a full disk only here.
  void close();

  const std::filesystem::path& path() const { return path_; }

 private:
  void append(std::string_view bytes);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace softwarp
