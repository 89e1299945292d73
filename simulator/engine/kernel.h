#pragma once

// A kernel that runs: threads in warps, warps in blocks, blocks in clusters. A launch without clusters has
// clusters of one block. The running thread is the only one that changes any of this.

#include <array>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

#include <cuda_runtime.h>
#include "simulator/engine/fiber.h"
#include "simulator/engine/shared_memory.h"
#include "simulator/engine/store_buffer.h"
#include "simulator/simulator.h"

namespace softwarp::simulator {

struct Warp;
struct Block;
struct Cluster;

// When other clusters see the stores of a launch: as late as they may, at once, or late if the kernel has
// fences or atomics, which costs less.
enum class Visibility { late, at_once, late_if_it_communicates };

// A launch that the host asked for.
struct Launch {
  const void* kernel = nullptr;
  dim3 grid;
  dim3 block;
  dim3 cluster;
  std::size_t shared_bytes = 0;
  bool programmatic = false;  // may start before the kernel in front of it has ended
  std::function<void()> body;

  Counters* counters = nullptr;
  cudaError_t status = cudaSuccess;

  std::size_t clusters = 0;
  Visibility visibility = Visibility::late;
  bool communicates = false;        // has passed a fence, or an atomic on global memory
  std::vector<Store> released{};    // withdrawn until somebody may see them
  std::vector<Store> unreleased{};  // withdrawn until the launch is over
};

enum class Collective { sync, shuffle, ballot };

inline constexpr unsigned kLanes = 32;

// Lanes of a warp on their way to the same collective.
struct Meeting {
  Collective kind = Collective::sync;
  unsigned mask = 0;
  unsigned arrived = 0;
  std::source_location where;
};

struct Thread {
  Fiber fiber;
  uint3 index{};
  unsigned lane = 0;
  Warp* warp = nullptr;
  std::source_location where;  // of what it waits for
  bool awaited_dependency = false;
  bool at_cluster_barrier = false;  // arrived there and not yet waited
  unsigned cluster_phase = 0;
  std::uint64_t own_stores_at_fence = 0;  // numbers of the cluster's stores that its last fence covers
  std::uint64_t block_stores_at_fence = 0;
  bool has_acquired = false;  // has passed an atomic on global memory since its last fence
};

// The 32-byte sectors that one instruction of a warp touched: those near the first one as bits.
struct Touched {
  std::uint64_t origin = 0;
  std::uint64_t near = 0;
  std::vector<std::uint64_t> far;  // each perhaps several times
};

struct Warp {
  Block* block = nullptr;
  Thread* threads = nullptr;
  unsigned size = 0;
  // Sets of lanes, a bit each.
  unsigned ready = 0;
  unsigned unfinished = 0;
  unsigned at_cluster_barrier = 0;  // and waits there
  std::vector<Meeting> meetings;
  // Each lane's part in a collective: it brings a value and takes a result away.
  std::array<unsigned, kLanes> sources;  // the lane whose value it wants
  std::array<std::uint64_t, kLanes> values;
  std::array<std::uint64_t, kLanes> results;
  // Each lane's accesses to global memory; those of equal number are one instruction.
  std::array<unsigned, kLanes> accesses{};
  std::vector<Touched> loads;  // by number
  std::vector<Touched> stores;
};

struct Block {
  Cluster* cluster = nullptr;
  uint3 index{};
  unsigned rank = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  unsigned finished = 0;
  bool begun = false;
  SharedImage shared;
  std::uint64_t stores_at_barrier = 0;

  unsigned arrived = 0;  // at __syncthreads
  std::source_location barrier;
  int votes = 0;
  int votes_of_last_barrier = 0;
  std::vector<int>
      mapped_in;  // cluster phase in which this block last mapped the memory of each other, or -1
};

struct Cluster {
  Launch* launch = nullptr;
  unsigned number = 0;
  std::vector<Block> blocks;
  unsigned threads = 0;
  unsigned arrived = 0;
  unsigned phase = 0;
  StoreBuffer stores{};
  bool leaves = false;  // lets other clusters run before it goes on
};

// The turn of a warp: its ready lanes in an order of their own, perhaps not all of them.
struct Turn {
  Warp* warp = nullptr;
  unsigned lane = 0;  // the next one
  unsigned stride = 0;
  unsigned lanes = 0;  // still to come
  unsigned turns = 0;  // how many of them may run

  // The next lane that is ready; null where the turn is over.
  Thread* next() {
    while (lanes > 0 && turns > 0) {
      const unsigned taken = lane;
      lane = (lane + stride) % kLanes;
      --lanes;
      if ((warp->ready >> taken & 1) == 0) continue;
      --turns;
      return &warp->threads[taken];
    }
    return nullptr;
  }
};
inline Turn turn;

// The thread whose code runs, or null between kernels, and its launch.
inline Thread* running = nullptr;
inline Launch* current_launch = nullptr;
inline Block& running_block() { return *running->warp->block; }
inline Cluster& running_cluster() { return *running_block().cluster; }
inline Launch& running_launch() { return *current_launch; }
inline Counters& running_counters() { return *current_launch->counters; }

// Ends the launch with `status` and an error that names kernel, block, thread. Unwinds the calling thread.
[[noreturn]] void fail_kernel(cudaError_t status, const std::string& what);

inline Fiber scheduler;  // on the stack of the host
// The fiber of the next thread in this turn, which then is the running one; otherwise the scheduler's.
Fiber& begin_thread(Thread& thread);
inline Fiber& next_fiber() {
  Thread* const next = turn.next();
  if (next != nullptr && !next->fiber.prepared()) return begin_thread(*next);
  running = next;
  if (next == nullptr) return scheduler;
  threadIdx = next->index;
  return next->fiber;
}

// Unwinds the running thread of a launch that has failed.
[[noreturn]] void unwind();

// Stops the running thread until somebody makes its lane ready.
inline void pause(const std::source_location& where) {
  Thread& self = *running;
  self.where = where;
  self.warp->ready &= ~(1u << self.lane);
  self.fiber.hand_over(next_fiber());
  if (current_launch->status != cudaSuccess) unwind();
}

// Runs every block of the launch; what it returns is cudaSuccess or the reason why the context is lost.
cudaError_t run(Launch& launch);

std::string describe(const Thread& thread);
std::string describe(const std::source_location& where);
// "softmax_kernel<float>" for the function at this address.
const std::string& symbol_name(const void* function);

// Called by a thread that returns from the kernel.
void check_exit(Thread& thread);
// Adds what the warp touched to the counters.
void count_sectors(Warp& warp);

}  // namespace softwarp::simulator
