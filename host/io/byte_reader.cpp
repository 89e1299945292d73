#include "host/io/byte_reader.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <system_error>

namespace softwarp {
namespace {

constexpr std::size_t kBufferBytes = 1 << 16;

bool starts_gzip(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

void ByteReader::EndInflate::operator()(z_stream* stream) const {
  inflateEnd(stream);
  delete stream;
}

ByteReader::ByteReader(const std::filesystem::path& path) : path_(path), buffer_(kBufferBytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) fail("a file", "no such file");
  if (status.type() == std::filesystem::file_type::none) fail("a readable file", error.message());
  if (is_directory(status)) fail("a file", "a directory");
  // A pipe could keep the program waiting for ever.
  if (!is_regular_file(status)) fail("a regular file", "something else");

  file_.reset(std::fopen(path.c_str(), "rb"));
  if (!file_) fail("a readable file", reason(errno));
  refill();
  if (starts_gzip(unread_)) begin_inflate();
}

std::size_t ByteReader::read(std::span<std::uint8_t> bytes) {
  return inflate_ ? read_gzip(bytes) : read_plain(bytes);
}

// Keeps what is unread and appends to it; the buffer is unchanged at the end of the file.
void ByteReader::refill() {
  std::copy(unread_.begin(), unread_.end(), buffer_.begin());
  const std::size_t kept = unread_.size();
  const std::size_t added = std::fread(buffer_.data() + kept, 1, buffer_.size() - kept, file_.get());
  if (std::ferror(file_.get())) fail("a readable file", reason(errno));
  unread_ = std::span(buffer_).first(kept + added);
}

void ByteReader::begin_inflate() {
  auto stream = std::make_unique<z_stream>();
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (inflateInit2(stream.get(), kGzipOnly) != Z_OK) throw std::bad_alloc();
  inflate_.reset(stream.release());
}

std::size_t ByteReader::read_plain(std::span<std::uint8_t> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    if (unread_.empty()) refill();
    if (unread_.empty()) break;
    const std::size_t part = std::min(unread_.size(), bytes.size() - done);
    std::copy_n(unread_.begin(), part, bytes.subspan(done).begin());
    unread_ = unread_.subspan(part);
    done += part;
  }
  return done;
}

// Zeros up to the end of the file, with which tapes and blocks are filled. False where something else
// follows.
bool ByteReader::pass_zeros() {
  const auto is_zero = [](std::uint8_t byte) { return byte == 0; };
  if (unread_.front() != 0) return false;
  for (; !unread_.empty(); refill()) {
    if (!std::ranges::all_of(unread_, is_zero)) return false;
    unread_ = {};
  }
  return true;
}

// A gzip file may be several gzip streams in a row; their contents join.
bool ByteReader::next_member() {
  if (unread_.size() < 2) refill();
  if (unread_.empty()) return false;
  if (pass_zeros()) return false;
  if (!starts_gzip(unread_)) fail("the end of the file after the gzip stream", "other bytes");
  inflateReset(inflate_.get());
  member_ended_ = false;
  return true;
}

std::size_t ByteReader::read_gzip(std::span<std::uint8_t> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    if (member_ended_ && !next_member()) break;
    if (unread_.empty()) refill();
    if (unread_.empty()) fail("a whole gzip stream", "one cut short");
    // zlib counts in 32 bits.
    const auto room = std::min<std::size_t>(bytes.size() - done, std::numeric_limits<uInt>::max());
    inflate_->next_in = unread_.data();
    inflate_->avail_in = static_cast<uInt>(unread_.size());
    inflate_->next_out = bytes.data() + done;
    inflate_->avail_out = static_cast<uInt>(room);
    const int status = inflate(inflate_.get(), Z_NO_FLUSH);
    done += room - inflate_->avail_out;
    unread_ = unread_.last(inflate_->avail_in);
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status != Z_OK && status != Z_STREAM_END)
      fail("a sound gzip stream", inflate_->msg ? inflate_->msg : "damaged data");
    member_ended_ = status == Z_STREAM_END;
  }
  return done;
}

void ByteReader::fail(const std::string& expected, const std::string& found) const {
  throw Error(fmt::format("{}: expected {}, found {}", path_.string(), expected, found));
}

}  // namespace softwarp
