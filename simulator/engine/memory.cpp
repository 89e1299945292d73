#include "simulator/engine/memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>

#include "simulator/engine/sanitizer.h"
#include "simulator/engine/state.h"

namespace softwarp::simulator {

namespace {

constexpr std::size_t kAlignment = 256;  // what cudaMalloc promises

// Pieces beyond this are not filled: pages that nobody touches cost nothing.
constexpr std::size_t kMostFilled = std::size_t{1} << 30;

void fill_with_nan(void* pointer, std::size_t bytes) {
  if (bytes <= kMostFilled) std::memset(pointer, 0xff, bytes);
}

struct Allocation {
  Memory kind;
  std::size_t bytes;
};

// Never destroyed: static objects of the program may release memory as late as they like.
auto& allocations = *new std::map<std::uintptr_t, Allocation>;
std::size_t bytes_in_use = 0;
int at_work = 0;

}  // namespace

const Found& find_allocation(std::uintptr_t address) {
  static const Found nowhere{};
  static std::size_t oldest = 0;
  const auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return nowhere;
  const auto& [first, allocation] = *std::prev(next);
  if (address - first >= allocation.bytes) return nowhere;
  Found& found = recently_found[oldest++ % recently_found.size()];
  found = {first, allocation.bytes, allocation.kind};
  return found;
}

void* allocate(Memory kind, std::size_t bytes) {
  if (kind == Memory::device && bytes_in_use + bytes > state().device.memory) return nullptr;
  void* pointer = nullptr;
  if (posix_memalign(&pointer, kAlignment, bytes) != 0) return nullptr;
  fill_with_nan(pointer, bytes);
  allocations[reinterpret_cast<std::uintptr_t>(pointer)] = {kind, bytes};
  if (kind == Memory::device) {
    bytes_in_use += bytes;
    if (at_work == 0) poison(pointer, bytes);
  }
  return pointer;
}

bool release(Memory kind, void* pointer) {
  const auto found = allocations.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == allocations.end() || found->second.kind != kind) return false;
  unpoison(pointer, found->second.bytes);
  fill_with_nan(pointer, found->second.bytes);
  if (kind == Memory::device) bytes_in_use -= found->second.bytes;
  allocations.erase(found);
  recently_found = {};
  std::free(pointer);
  return true;
}

void release_all_memory() {
  while (!allocations.empty()) {
    const auto [address, allocation] = *allocations.begin();
    release(allocation.kind, reinterpret_cast<void*>(address));
  }
}

bool begins_in(Memory kind, const void* pointer) {
  const Found& found = find_allocation(reinterpret_cast<std::uintptr_t>(pointer));
  return found.bytes > 0 && found.kind == kind;
}

std::size_t device_bytes_in_use() { return bytes_in_use; }

std::vector<std::string> live_memory() {
  std::vector<std::string> lines;
  for (const auto& [address, allocation] : allocations)
    lines.push_back(std::to_string(allocation.bytes) + " bytes of " +
                    (allocation.kind == Memory::device ? "device memory" : "page-locked memory"));
  return lines;
}

DeviceAtWork::DeviceAtWork() {
  if (at_work++ > 0) return;
  for (const auto& [address, allocation] : allocations)
    unpoison(reinterpret_cast<void*>(address), allocation.bytes);
}

DeviceAtWork::~DeviceAtWork() {
  if (--at_work > 0) return;
  for (const auto& [address, allocation] : allocations)
    if (allocation.kind == Memory::device) poison(reinterpret_cast<void*>(address), allocation.bytes);
}

}  // namespace softwarp::simulator
