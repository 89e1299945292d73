#pragma once

// Device memory and page-locked host memory: separate allocations that the host may not touch, or may.

#include <cstddef>
#include <string>
#include <vector>

namespace softwarp::simulator {

enum class Memory { device, pinned };

// Filled with NaN bytes; null when the device has no more.
void* allocate(Memory kind, std::size_t bytes);
// False if there is no such allocation.
bool release(Memory kind, void* pointer);
void release_all_memory();

// True if all these bytes lie in one live allocation of that kind.
bool contains(Memory kind, const void* pointer, std::size_t bytes);
// True if the pointer is into an allocation of that kind, or would be if that were longer.
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
