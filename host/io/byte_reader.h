#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace softwarp {

// The bytes of a file from first to last, decompressed if the file starts as gzip does (RFC 1952),
// whatever its name. Throws Error where the file cannot be read or its gzip stream is damaged.
class ByteReader {
 public:
  explicit ByteReader(const std::filesystem::path& path);

  // Fills `bytes` and returns how many it wrote: fewer than asked only at the end. Reading to the end
  // also checks the gzip checksum, and that nothing but gzip or zeros follows.
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> bytes);

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct EndInflate {
    void operator()(z_stream* stream) const;
  };

  void refill();
  void begin_inflate();
  bool next_member();
  bool pass_zeros();
  std::size_t read_plain(std::span<std::uint8_t> bytes);
  std::size_t read_gzip(std::span<std::uint8_t> bytes);
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const;

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  std::vector<std::uint8_t> buffer_;
  std::span<std::uint8_t> unread_;
  // On the heap, because zlib keeps a pointer back to it. Empty for a plain file.
  std::unique_ptr<z_stream, EndInflate> inflate_;
  bool member_ended_ = false;
};

}  // namespace softwarp
