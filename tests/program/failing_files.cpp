// Wraps the program's calls of the file system. SOFTWARP_FILE_FAULT="N E" in the environment
// makes call N fail with errno E (a write after half of its bytes), and with E = 0 kills the process there.
// The last line on standard error says how many calls there were, and one before it names each file that was
// renamed before what had been written to it was on the disk.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

// The linker's --wrap.
extern "C" {
int __real_main(int argc, char** argv);
int __real_open(const char* path, int flags, mode_t mode);
ssize_t __real_write(int file, const void* bytes, size_t count);
int __real_fsync(int file);
int __real_close(int file);
int __real_rename(const char* from, const char* to);
int __real_unlink(const char* path);
int __wrap_main(int argc, char** argv);
int __wrap_open(const char* path, int flags, ...);
ssize_t __wrap_write(int file, const void* bytes, size_t count);
int __wrap_fsync(int file);
int __wrap_close(int file);
int __wrap_rename(const char* from, const char* to);
int __wrap_unlink(const char* path);
}

namespace {

long calls = 0, fault_call = -1;
int fault_error = 0;

// Never destroyed: files are opened until the program is gone, as by gcov.
auto& names = *new std::map<int, std::string>;   // of open files
auto& not_on_disk = *new std::set<std::string>;  // written to since they were last synchronized

// True if this call must fail; errno is then set.
bool fails() {
  if (calls++ != fault_call) return false;
  if (fault_error == 0) raise(SIGKILL);
  errno = fault_error;
  return true;
}

}  // namespace

int __wrap_main(int argc, char** argv) {
  if (const char* fault = std::getenv("SOFTWARP_FILE_FAULT")) {
    char* rest = nullptr;
    fault_call = std::strtol(fault, &rest, 10);
    fault_error = std::atoi(rest);
  }
  const int status = __real_main(argc, argv);
  std::fprintf(stderr, "file calls: %ld\n", calls);
  return status;
}

int __wrap_open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if (fails()) return -1;
  const int file = __real_open(path, flags, mode);
  names[file] = path;
  return file;
}

ssize_t __wrap_write(int file, const void* bytes, size_t count) {
  if (calls == fault_call && __real_write(file, bytes, count / 2) < 0) return -1;
  not_on_disk.insert(names[file]);
  return fails() ? -1 : __real_write(file, bytes, count);
}

int __wrap_fsync(int file) {
  if (fails()) return -1;
  not_on_disk.erase(names[file]);
  return __real_fsync(file);
}

int __wrap_close(int file) {
  const bool failed = fails();
  const int error = errno, status = __real_close(file);
  errno = failed ? error : errno;
  return failed ? -1 : status;
}

int __wrap_rename(const char* from, const char* to) {
  if (not_on_disk.contains(from)) std::fprintf(stderr, "renamed before it was on the disk: %s\n", to);
  return fails() ? -1 : __real_rename(from, to);
}
int __wrap_unlink(const char* path) { return fails() ? -1 : __real_unlink(path); }
