#pragma once

// Device memory and page-locked host memory: separate allocations that the host may not touch, or may.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace softwarp::simulator {

enum class Memory { device, pinned };

// Filled with NaN bytes; null when the device has no more.
void* allocate(Memory kind, std::size_t bytes);
// False if there is no such allocation.
bool release(Memory kind, void* pointer);
void release_all_memory();

// Allocations in which the last accesses lay.
struct Found {
  std::uintptr_t first = 0;
  std::size_t bytes = 0;
  Memory kind = Memory::device;
};
inline std::array<Found, 4> recently_found;

// The allocation in which the address lies; one without bytes where there is none.
const Found& find_allocation(std::uintptr_t address);

// True if all these bytes lie in one live allocation of that kind.
inline bool contains(Memory kind, const void* pointer, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto inside = [&](const Found& found) {
    return found.kind == kind && address - found.first + bytes <= found.bytes;
  };
  for (const Found& found : recently_found)
    if (address - found.first < found.bytes) return inside(found);
  return inside(find_allocation(address));
}
// True if the pointer is into an allocation of that kind or would be if that were longer.
bool begins_in(Memory kind, const void* pointer);
std::size_t device_bytes_in_use();
std::vector<std::string> live_memory();

// While one exists, device memory may be touched; otherwise it is poisoned.
class DeviceAtWork {
 public:
  DeviceAtWork();
  ~DeviceAtWork();
  DeviceAtWork(const DeviceAtWork&) = delete;
  DeviceAtWork& operator=(const DeviceAtWork&) = delete;
};

}  // namespace softwarp::simulator
