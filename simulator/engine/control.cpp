// The control interface: simulator.h.

#include <algorithm>

#include "simulator/engine/image.h"
#include "simulator/engine/kernel.h"
#include "simulator/engine/memory.h"
#include "simulator/engine/queue.h"
#include "simulator/engine/random.h"
#include "simulator/engine/state.h"

namespace softwarp::simulator {

namespace {

void add(Counters& sum, const Counters& c) {
  for (const auto member :
       {&Counters::launches, &Counters::blocks, &Counters::threads, &Counters::loads, &Counters::load_bytes,
        &Counters::load_sectors, &Counters::stores, &Counters::store_bytes, &Counters::store_sectors,
        &Counters::atomics, &Counters::barriers, &Counters::cluster_barriers, &Counters::collectives,
        &Counters::exponentials})
    sum.*member += c.*member;
}

}  // namespace

// Limits: CUDA C++ Programming Guide, technical specifications per compute capability. Multiprocessors: of
// one card that has it.
Device device_of(int major, int minor) {
  Device device{.major = major, .minor = minor};
  const auto limits = [&](int multiprocessors, std::size_t shared_kib, int threads) {
    device.multiprocessors = multiprocessors;
    device.shared_per_multiprocessor = shared_kib << 10;
    device.shared_reserved_per_block = major == 7 ? 0 : 1 << 10;
    device.shared_per_block_optin = (shared_kib << 10) - device.shared_reserved_per_block;
    device.threads_per_multiprocessor = threads;
    device.largest_cluster = major >= 9 ? 8 : 1;
  };
  if (major < 8) limits(40, 64, 1024);
  if (major == 8 && minor == 0) limits(108, 164, 2048);
  if (major == 8 && minor > 0) limits(84, 100, 1536);
  if (major == 9) limits(132, 228, 2048);
  if (major == 10) limits(148, 228, 2048);
  if (major > 10) limits(170, 100, 1536);
  return device;
}

void reset(std::uint64_t seed, const Device& device) {
  objects().clear();
  forget_communicators();
  forget_all_work();
  release_all_memory();
  State fresh;
  fresh.device = device;
  fresh.kernels = std::move(state().kernels);  // whoever has set their attributes does so once
  for (auto& [kernel, entry] : fresh.kernels) {
    entry.loaded = false;
    // Whoever asked for the most that the last device had would ask this one for the most, too.
    const std::size_t shared = static_shared_bytes(kernel);
    for (auto& [index, bytes] : entry.most_dynamic_shared)
      if (bytes + shared == state().device.shared_per_block_optin)
        bytes = device.shared_per_block_optin - std::min(shared, device.shared_per_block_optin);
  }
  state() = std::move(fresh);
  reset_counters();
  set_seed(seed);
}

void set_seed(std::uint64_t seed) { random_state = seed; }

std::vector<std::string> take_errors() { return std::exchange(state().errors, {}); }

std::vector<std::string> live_objects() {
  std::vector<std::string> lines = live_memory();
  for (const auto& [handle, object] : objects()) lines.push_back(std::string("a ") + object.kind);
  for (std::string& communicator : live_communicators()) lines.push_back(std::move(communicator));
  return lines;
}

Counters counters(std::string_view name) {
  Counters sum;
  for (const auto& [address, kernel] : state().kernels)
    if (symbol_name(address).find(name) != std::string::npos) add(sum, kernel.run.counters);
  return sum;
}

std::vector<KernelRun> kernels_run() {
  std::vector<KernelRun> runs;
  for (const auto& [address, kernel] : state().kernels)
    if (kernel.run.counters.launches > 0) {
      runs.push_back(kernel.run);
      runs.back().name = symbol_name(address);
    }
  return runs;
}

HostCounters host_counters() { return state().host; }

std::int64_t calls(std::string_view function) {
  const auto found = state().calls.find(function);
  return found == state().calls.end() ? 0 : found->second;
}

void reset_counters() {
  state().host = {};
  state().calls.clear();
  for (auto& [address, kernel] : state().kernels) kernel.run = {};
}

void inject(const Fault& fault) {
  state().fault = fault;
  state().fault_hit.clear();
}

std::string fault_hit() { return state().fault_hit; }

void refuse_epilogue(cublasLtEpilogue_t epilogue, Refusal refusal) {
  state().refused_epilogues[epilogue] = refusal;
}

}  // namespace softwarp::simulator
