#include "simulator/engine/shared_memory.h"

#include <link.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>

#include <cuda_runtime.h>
#include "simulator/engine/sanitizer.h"

namespace softwarp {
// The one array of dynamic shared memory that every kernel declares.
alignas(1024) thread_local float4 dynamic_shared[simulator::kLargestShared / sizeof(float4)];
}  // namespace softwarp

namespace softwarp::simulator {

namespace {

constexpr std::size_t kGuardBytes = 1024;
constexpr int kNan = 0xff;

using Bytes = std::span<std::byte>;

Bytes dynamic() { return {reinterpret_cast<std::byte*>(&dynamic_shared[0]), kLargestShared}; }

// The thread-local storage of the program itself, not of its shared libraries.
Bytes find_storage() {
  Bytes bytes;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* result) {
        for (int i = 0; i < info->dlpi_phnum; ++i)
          if (info->dlpi_phdr[i].p_type == PT_TLS)
            *static_cast<Bytes*>(result) = {static_cast<std::byte*>(info->dlpi_tls_data),
                                            info->dlpi_phdr[i].p_memsz};
        return 1;  // the program comes first
      },
      &bytes);
  if (dynamic().data() < bytes.data() || dynamic().data() + kLargestShared > bytes.data() + bytes.size())
    throw std::logic_error("the simulator must be linked into the program, not into a shared library");
  return bytes;
}

// It is elsewhere in every thread of the host.
Bytes storage() {
  static Bytes found;
  static const std::byte* found_with = nullptr;
  if (found_with != dynamic().data()) found = find_storage();
  found_with = dynamic().data();
  return found;
}

// The variables, which lie before and behind the dynamic part.
Bytes before() { return {storage().data(), static_cast<std::size_t>(dynamic().data() - storage().data())}; }
Bytes behind() { return storage().subspan(before().size() + kLargestShared); }

}  // namespace

SharedMemory::SharedMemory(std::size_t dynamic_bytes) : dynamic_bytes_(dynamic_bytes) {
  save(host_);
  poison(dynamic().data() + dynamic_bytes_, kLargestShared - dynamic_bytes_);
}

SharedMemory::~SharedMemory() {
  unpoison(dynamic().data(), kLargestShared);
  restore(host_);
}

void SharedMemory::fill_with_nan() {
  std::memset(before().data(), kNan, before().size());
  std::memset(behind().data(), kNan, behind().size());
  std::memset(dynamic().data(), kNan, dynamic_bytes_);
  if (!kSanitized) std::memset(dynamic().data() + dynamic_bytes_, kNan, kGuardBytes);
}

void SharedMemory::save(SharedImage& image) const {
  image.variables.assign(before().begin(), before().end());
  image.variables.insert(image.variables.end(), behind().begin(), behind().end());
  image.dynamic.assign(dynamic().begin(), dynamic().begin() + static_cast<std::ptrdiff_t>(dynamic_bytes_));
}

void SharedMemory::restore(const SharedImage& image) {
  std::memcpy(before().data(), image.variables.data(), before().size());
  std::memcpy(behind().data(), image.variables.data() + before().size(), behind().size());
  if (dynamic_bytes_ > 0) std::memcpy(dynamic().data(), image.dynamic.data(), dynamic_bytes_);
}

bool SharedMemory::overrun() const {
  if (kSanitized) return false;  // it would have been seen when it happened
  for (const auto byte : dynamic().subspan(dynamic_bytes_, kGuardBytes))
    if (byte != std::byte{kNan}) return true;
  return false;
}

void* in_image(SharedImage& image, const void* pointer) {
  const auto* byte = static_cast<const std::byte*>(pointer);
  const auto offset = [&](Bytes part) { return static_cast<std::size_t>(byte - part.data()); };
  if (offset(dynamic()) < image.dynamic.size()) return image.dynamic.data() + offset(dynamic());
  if (offset(before()) < before().size()) return image.variables.data() + offset(before());
  if (offset(behind()) < behind().size()) return image.variables.data() + before().size() + offset(behind());
  return nullptr;
}

bool is_shared(const void* pointer, std::size_t bytes, std::size_t dynamic_bytes) {
  const auto* byte = static_cast<const std::byte*>(pointer);
  const auto inside = [&](Bytes part) {
    return byte >= part.data() && byte + bytes <= part.data() + part.size();
  };
  return inside(dynamic().first(dynamic_bytes)) || inside(before()) || inside(behind());
}

}  // namespace softwarp::simulator
