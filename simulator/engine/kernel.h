#pragma once

// A kernel that runs: threads in warps, warps in blocks, blocks in clusters. A launch without clusters has
// clusters of one block. The running thread is the only one that changes any of this.

#include <array>
#include <functional>
#include <set>
#include <source_location>
#include <string>
#include <vector>

#include <cuda_runtime_types.h>
#include "simulator/engine/fiber.h"
#include "simulator/engine/shared_memory.h"
#include "simulator/engine/store_buffer.h"
#include "simulator/simulator.h"

namespace softwarp::simulator {

struct Warp;
struct Block;
struct Cluster;

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
  bool communicates = false;        // has passed a fence, or an atomic on global memory
  std::vector<Store> released{};    // withdrawn until somebody may see them
  std::vector<Store> unreleased{};  // withdrawn until the launch is over
};

enum class Wait { nothing, lanes, block, cluster, finished };
enum class Collective { sync, shuffle, ballot };

// A lane's input to a collective of its warp, and its result.
struct Offer {
  unsigned source = 0;  // the lane whose value it wants
  std::uint64_t value = 0;
  std::uint64_t result = 0;
};

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
  Wait wait = Wait::nothing;
  std::source_location where;  // of what it waits for
  Offer offer;
  unsigned accesses = 0;  // to global memory, those of equal number in a warp are one instruction
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
  std::set<std::uint64_t> far;
};

struct Warp {
  Block* block = nullptr;
  Thread* threads = nullptr;
  unsigned size = 0;
  unsigned ready = 0;  // a bit a lane
  unsigned unfinished = 0;
  std::vector<Meeting> meetings;
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

// The thread whose code runs, or null between kernels.
inline Thread* running = nullptr;
inline Block& running_block() { return *running->warp->block; }
inline Cluster& running_cluster() { return *running_block().cluster; }
inline Launch& running_launch() { return *running_cluster().launch; }
inline Counters& running_counters() { return *running_launch().counters; }

// Ends the launch with `status` and an error that names kernel, block, thread. Unwinds the calling thread.
[[noreturn]] void fail_kernel(cudaError_t status, const std::string& what);
// Stops the running thread until somebody makes it ready.
void pause(Wait wait, const std::source_location& where);
void make_ready(Thread& thread);

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
