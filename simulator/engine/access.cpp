// A thread's access to memory: is it there, is it aligned, and what does it cost.

#include <algorithm>
#include <bit>
#include <cstdio>

#include "simulator/device/hooks.h"
#include "simulator/engine/kernel.h"
#include "simulator/engine/memory.h"
#include "simulator/engine/random.h"

namespace softwarp::simulator {

namespace {

constexpr std::uintptr_t kSectorBytes = 32;

std::string size_and_place(const void* pointer, std::size_t bytes) {
  char text[64];
  std::snprintf(text, sizeof text, "%zu bytes at %p", bytes, pointer);
  return text;
}

void check_alignment(const void* pointer, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(pointer) % bytes != 0)
    fail_kernel(cudaErrorMisalignedAddress, "a misaligned access of " + size_and_place(pointer, bytes));
}

bool in_global(const void* pointer, std::size_t bytes) {
  return contains(Memory::device, pointer, bytes) || contains(Memory::pinned, pointer, bytes);
}

void touch(std::vector<Touched>& accesses, unsigned number, std::uint64_t sector) {
  if (number >= accesses.size()) accesses.resize(number + 1);
  Touched& touched = accesses[number];
  if (touched.near == 0) touched.origin = sector - 32;
  const std::uint64_t distance = sector - touched.origin;
  if (distance < 64)
    touched.near |= std::uint64_t{1} << distance;
  else
    touched.far.push_back(sector);
}

}  // namespace

void access(const void* pointer, std::size_t bytes, bool store) {
  check_alignment(pointer, bytes);
  if (!in_global(pointer, bytes))
    fail_kernel(cudaErrorIllegalAddress, std::string(store ? "a store of " : "a load of ") +
                                             size_and_place(pointer, bytes) +
                                             ", which is outside device memory");
  const Launch& launch = running_launch();
  if (launch.programmatic && !running->awaited_dependency)
    fail_kernel(cudaErrorLaunchFailure, "touches memory before cudaGridDependencySynchronize");
  if (store && launch.clusters > 1 && launch.visibility != Visibility::at_once)
    running_cluster().stores.record(const_cast<void*>(pointer), bytes, *running);
  Counters& counters = *launch.counters;
  ++(store ? counters.stores : counters.loads);
  (store ? counters.store_bytes : counters.load_bytes) += static_cast<std::int64_t>(bytes);
  const auto first = reinterpret_cast<std::uintptr_t>(pointer) / kSectorBytes;
  const auto last = (reinterpret_cast<std::uintptr_t>(pointer) + bytes - 1) / kSectorBytes;
  Warp& warp = *running->warp;
  const unsigned number = warp.accesses[running->lane]++;
  auto& accesses = store ? warp.stores : warp.loads;
  for (auto sector = first; sector <= last; ++sector) touch(accesses, number, sector);
}

void access_atomically(const void* pointer, std::size_t bytes) {
  check_alignment(pointer, bytes);
  const bool global = in_global(pointer, bytes);
  if (!global && !is_shared(pointer, bytes, running_launch().shared_bytes))
    fail_kernel(cudaErrorIllegalAddress, "an atomic on " + size_and_place(pointer, bytes) +
                                             ", which is neither device nor shared memory");
  ++running_counters().atomics;
  if (!global) return;
  running_launch().communicates = true;
  running->has_acquired = true;
  running_cluster().stores.release(*running);
  if (draw(2) == 0) running_cluster().leaves = true;
}

void fence() {
  Launch& launch = running_launch();
  launch.communicates = true;
  running_cluster().stores.pass_fence(*running);
  if (running->has_acquired) commit(launch.released);
  running->has_acquired = false;
}

void count_sectors(Warp& warp) {
  Counters& counters = *warp.block->cluster->launch->counters;
  const auto count = [](std::vector<Touched>& accesses, std::int64_t& sum) {
    for (Touched& touched : accesses) {
      sum += std::popcount(touched.near);
      if (touched.far.empty()) continue;
      std::ranges::sort(touched.far);
      sum += std::ranges::unique(touched.far).begin() - touched.far.begin();
    }
    accesses.clear();
  };
  count(warp.loads, counters.load_sectors);
  count(warp.stores, counters.store_sectors);
}

void count_exponential() {
  if (running != nullptr) ++running_counters().exponentials;
}

void await_dependency() { running->awaited_dependency = true; }

void trap() { fail_kernel(cudaErrorLaunchFailure, "__trap"); }

}  // namespace softwarp::simulator
