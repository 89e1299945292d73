// Runs the blocks of a launch: those of a cluster together, the clusters one after another in random order;
// after an atomic on global memory a cluster may leave and go on when others have run. Within a block, warps
// and their lanes take turns at random; a turn ends where a thread waits or returns.

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>

#include "simulator/engine/kernel.h"
#include "simulator/engine/random.h"
#include "simulator/engine/report.h"

namespace softwarp::simulator {

namespace {

constexpr std::size_t kMostAbsent = 2;  // clusters that have left and will go on

// Thrown through a kernel's thread to unwind it when its launch has failed.
struct Abandoned {};

uint3 unflatten(unsigned i, const dim3& shape) {
  return {i % shape.x, i / shape.x % shape.y, i / shape.x / shape.y};
}

void set_up(Block& block) {
  const Launch& launch = *block.cluster->launch;
  const auto count = block.threads.size();
  block.warps = std::vector<Warp>((count + kLanes - 1) / kLanes);
  for (unsigned w = 0; w < block.warps.size(); ++w) {
    Warp& warp = block.warps[w];
    warp.block = &block;
    warp.threads = &block.threads[w * kLanes];
    warp.size = std::min(kLanes, static_cast<unsigned>(count) - w * kLanes);
    warp.ready = warp.unfinished = warp.size == kLanes ? ~0u : (1u << warp.size) - 1;
    for (unsigned lane = 0; lane < warp.size; ++lane) {
      warp.threads[lane].index = unflatten(w * kLanes + lane, launch.block);
      warp.threads[lane].lane = lane;
      warp.threads[lane].warp = &warp;
    }
  }
}

void thread_main() {
  Thread& thread = *running;
  try {
    running_launch().body();
    check_exit(thread);
  } catch (const Abandoned&) {
  }
  thread.warp->ready &= ~(1u << thread.lane);
  thread.warp->unfinished &= ~(1u << thread.lane);
  ++thread.warp->block->finished;
  if (thread.warp->unfinished == 0) count_sectors(*thread.warp);
  if (running_launch().status != cudaSuccess) turn.turns = 0;
  thread.fiber.end(next_fiber());
}

// A turn: the ready lanes in random order, now and then not all of them.
void run_warp(Warp& warp) {
  turn.warp = &warp;
  turn.lane = draw(kLanes);
  turn.stride = 2 * draw(kLanes / 2) + 1;
  turn.turns = draw(4) == 0 ? 1 + draw(kLanes) : kLanes;
  turn.lanes = kLanes;
  Fiber& first = next_fiber();
  if (&first != &scheduler) scheduler.hand_over(first);
}

Warp* ready_warp(Block& block) {
  const auto count = static_cast<unsigned>(block.warps.size());
  for (unsigned i = 0, start = draw(count); i < count; ++i) {
    Warp& warp = block.warps[(start + i) % count];
    if (warp.ready != 0) return &warp;
  }
  return nullptr;
}

Block* ready_block(Cluster& cluster) {
  const auto count = static_cast<unsigned>(cluster.blocks.size());
  for (unsigned i = 0, start = draw(count); i < count; ++i) {
    Block& block = cluster.blocks[(start + i) % count];
    if (ready_warp(block) != nullptr) return &block;
  }
  return nullptr;
}

// Lets a block run until all its threads wait, or until another one shall have a turn.
void run_block(Block& block, SharedMemory& shared) {
  const Launch& launch = *block.cluster->launch;
  Cluster& cluster = *block.cluster;
  const bool alone = cluster.blocks.size() == 1;
  blockIdx = block.index;
  if (!block.begun)
    shared.fill_with_nan();
  else  // it has left before
    shared.restore(block.shared);
  block.begun = true;
  while (Warp* warp = ready_warp(block)) {
    run_warp(*warp);
    if (launch.status != cudaSuccess) return;
    if (cluster.leaves || (!alone && draw(16) == 0)) break;
  }
  const bool over = block.finished == block.threads.size();
  if (over && !alone) shared.fill_with_nan();  // nobody may read the memory of a block that has left
  if (!alone || cluster.leaves) shared.save(block.shared);
}

void fail_deadlock(Cluster& cluster) {
  for (const Block& block : cluster.blocks)
    for (const Thread& thread : block.threads)
      if (thread.warp->unfinished >> thread.lane & 1) {
        report(describe(thread) + ": waits for ever at " + describe(thread.where) +
               ", because other threads wait elsewhere");
        cluster.launch->status = cudaErrorLaunchTimeout;
        return;
      }
}

// Unwinds the threads that are still in the middle of a failed kernel.
void abandon(Cluster& cluster) {
  turn = {};
  for (Block& block : cluster.blocks)
    for (Thread& thread : block.threads) {
      if (!thread.fiber.prepared() || (thread.warp->unfinished >> thread.lane & 1) == 0) continue;
      running = &thread;
      scheduler.hand_over(thread.fiber);
    }
}

// Its blocks and threads point to it.
std::unique_ptr<Cluster> make_cluster(Launch& launch, unsigned first, SharedMemory& shared) {
  const unsigned size = launch.cluster.x * launch.cluster.y * launch.cluster.z;
  auto made = std::make_unique<Cluster>(
      Cluster{.launch = &launch, .number = first, .blocks = std::vector<Block>(size)});
  Cluster& cluster = *made;
  const uint3 origin = unflatten(first, {launch.grid.x / launch.cluster.x, launch.grid.y / launch.cluster.y,
                                         launch.grid.z / launch.cluster.z});
  for (unsigned rank = 0; rank < size; ++rank) {
    Block& block = cluster.blocks[rank];
    const uint3 within = unflatten(rank, launch.cluster);
    block.cluster = &cluster;
    block.rank = rank;
    block.index = {origin.x * launch.cluster.x + within.x, origin.y * launch.cluster.y + within.y,
                   origin.z * launch.cluster.z + within.z};
    block.threads = std::vector<Thread>(launch.block.x * launch.block.y * launch.block.z);
    block.mapped_in.assign(size, -1);
    if (size > 1) {
      shared.fill_with_nan();
      shared.save(block.shared);
    }
    set_up(block);
    cluster.threads += static_cast<unsigned>(block.threads.size());
  }
  launch.counters->blocks += size;
  launch.counters->threads += cluster.threads;
  return made;
}

bool is_over(const Cluster& cluster) {
  return std::ranges::all_of(cluster.blocks,
                             [](const Block& block) { return block.finished == block.threads.size(); });
}

// Until all its threads have returned, or it leaves.
void run_cluster(Cluster& cluster, SharedMemory& shared) {
  Launch& launch = *cluster.launch;
  while (Block* block = ready_block(cluster)) {
    run_block(*block, shared);
    if (launch.status != cudaSuccess) return abandon(cluster);
    if (shared.overrun()) {
      report("kernel " + symbol_name(launch.kernel) +
             ": a write behind the dynamic shared memory of a block");
      launch.status = cudaErrorIllegalAddress;
      return abandon(cluster);
    }
    if (cluster.leaves) return;
  }
  if (!is_over(cluster)) {
    fail_deadlock(cluster);
    abandon(cluster);
  }
}

Visibility draw_visibility() {
  const std::uint32_t drawn = draw(8);
  if (drawn == 0) return Visibility::late;
  return drawn < 3 ? Visibility::at_once : Visibility::late_if_it_communicates;
}

// A turn of the cluster, after which memory is as the others see it.
void take_turn(Cluster& cluster, bool may_leave, SharedMemory& shared) {
  Launch& launch = *cluster.launch;
  if (cluster.leaves) {
    commit(launch.released, cluster.number);
    cluster.stores.reinstate();
  }
  do {
    cluster.leaves = false;
    run_cluster(cluster, shared);
  } while (cluster.leaves && !may_leave && launch.status == cudaSuccess);
  const bool late = launch.visibility == Visibility::late ||
                    (launch.visibility == Visibility::late_if_it_communicates && launch.communicates);
  if (!late) return cluster.stores.clear();
  cluster.stores.withdraw();
  cluster.stores.move_released(launch.released);
  if (!cluster.leaves) cluster.stores.move_all(launch.unreleased);
}

}  // namespace

cudaError_t run(Launch& launch) {
  gridDim = launch.grid;
  blockDim = launch.block;
  ++launch.counters->launches;
  launch.status = cudaSuccess;
  current_launch = &launch;
  std::vector<unsigned> order(launch.grid.x * launch.grid.y * launch.grid.z /
                              (launch.cluster.x * launch.cluster.y * launch.cluster.z));
  std::iota(order.begin(), order.end(), 0u);
  for (unsigned i = static_cast<unsigned>(order.size()); i > 1; --i) std::swap(order[i - 1], order[draw(i)]);
  launch.clusters = order.size();
  SharedMemory shared(launch.shared_bytes);
  launch.visibility = draw_visibility();
  struct Absent {
    std::unique_ptr<Cluster> cluster;
    std::size_t returns;  // when so many have begun
  };
  std::vector<Absent> absent;
  std::size_t begun = 0;
  const auto run_turn = [&](std::unique_ptr<Cluster> cluster) {
    take_turn(*cluster, absent.size() < kMostAbsent, shared);
    if (!cluster->leaves) return;
    const auto left = static_cast<unsigned>(order.size() - begun);
    absent.push_back({std::move(cluster), draw(2) == 0 ? order.size() : begun + draw(left + 1)});
  };
  while (launch.status == cudaSuccess && (begun < order.size() || !absent.empty())) {
    const auto returns =
        std::ranges::find_if(absent, [&](const Absent& one) { return one.returns <= begun; });
    if (returns == absent.end()) {
      run_turn(make_cluster(launch, order[begun++], shared));
    } else {
      std::unique_ptr<Cluster> cluster = std::move(returns->cluster);
      absent.erase(returns);
      run_turn(std::move(cluster));
    }
  }
  for (const Absent& one : absent) abandon(*one.cluster);
  commit(launch.released);
  commit(launch.unreleased);
  return launch.status;
}

void fail_kernel(cudaError_t status, const std::string& what) {
  running_launch().status = status;
  report(describe(*running) + ": " + what);
  throw Abandoned{};
}

void unwind() { throw Abandoned{}; }

Fiber& begin_thread(Thread& thread) {
  thread.fiber.prepare(thread_main);
  running = &thread;
  threadIdx = thread.index;
  return thread.fiber;
}

}  // namespace softwarp::simulator
