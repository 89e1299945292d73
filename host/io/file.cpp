#include "host/io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <softwarp/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

namespace softwarp {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporary = ".softwarp-";

[[noreturn]] void fail(const fs::path& path, const std::string& found) {
  throw Error(fmt::format("{}: expected a file that can be written, found {}", path.string(), found));
}

[[noreturn]] void fail(const fs::path& path, int error) {
  fail(path, std::generic_category().message(error));
}

// The final path of the bytes.
fs::path target_of(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) fail(path, "a directory");
  // Renaming onto a device or a pipe would destroy it.
  if (fs::exists(status) && !fs::is_regular_file(status)) fail(path, "something that is no regular file");
  if (!fs::is_symlink(fs::symlink_status(path, error))) return path;
  fs::path target = fs::canonical(path, error);
  if (error) fail(path, error.message());
  return target;
}

// A new file beside `target`, gone at the end unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : target_(target) {
    const fs::path directory = target.has_parent_path() ? target.parent_path() : fs::path(".");
    // A process that was killed may have had the same number and left its file.
    constexpr int kAttempts = 10'000;
    for (int attempt = 0; attempt < kAttempts && descriptor_ < 0; ++attempt) {
      // Short, because the target's name may already be as long as names can be.
      path_ = directory / fmt::format("{}{}-{}", kTemporary, getpid(), attempt);
      descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ < 0 && errno != EEXIST) break;
    }
    if (descriptor_ < 0) fail(target_, errno);
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!path_.empty()) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail(target_, errno);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  void rename_to_target() {
    if (fsync(descriptor_) != 0) fail(target_, errno);
    // Some file systems report a full disk only here.
    const int status = close(descriptor_);
    descriptor_ = -1;
    if (status != 0) fail(target_, errno);
    if (std::rename(path_.c_str(), target_.c_str()) != 0) fail(target_, errno);
    path_.clear();
  }

 private:
  fs::path target_;
  fs::path path_;
  int descriptor_ = -1;
};

// The new name is only as lasting as the directory that holds it.
void sync_directory_of(const fs::path& target) {
  const fs::path directory = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // writing to a directory does not take the right to read it
  const int error = fsync(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  if (error != 0 && error != EINVAL) fail(target, error);  // EINVAL: this file system cannot do that
}

}  // namespace

void write_file_atomically(const fs::path& path, std::span<const std::span<const std::byte>> parts) {
  const fs::path target = target_of(path);
  TemporaryFile file(target);
  for (const std::span<const std::byte> part : parts) file.write(part);
  file.rename_to_target();
  sync_directory_of(target);
}

void write_file(const fs::path& path, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  write_file_atomically(path, std::span(&bytes, 1));
}

bool is_temporary_file(const fs::path& path) { return path.filename().string().starts_with(kTemporary); }

}  // namespace softwarp
