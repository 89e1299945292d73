// Threads meet here: barriers of blocks and clusters, shuffles and votes of warps.

#include <algorithm>
#include <string>

#include "simulator/device/hooks.h"
#include "simulator/engine/kernel.h"

namespace softwarp::simulator {

namespace {

bool same(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column();
}

template <class Function>
void for_each_lane(unsigned mask, Function&& function) {
  for (unsigned lane = 0; mask != 0; ++lane, mask >>= 1)
    if (mask & 1) function(lane);
}

// Fails if the mask names a lane that cannot come.
void check_mask(const Warp& warp, const Thread& self, unsigned mask, const Where& at) {
  const std::string where = describe(at);
  if ((mask >> self.lane & 1) == 0)
    fail_kernel(cudaErrorLaunchFailure, where + " has a mask without the calling lane");
  for_each_lane(mask & ~warp.unfinished, [&](unsigned lane) {
    const char* reason = lane < warp.size ? ", which has returned" : ", which the block does not have";
    fail_kernel(cudaErrorLaunchFailure, where + " names the absent lane " + std::to_string(lane) + reason);
  });
}

// The meeting of exactly these lanes, opened where nobody has come yet. Two lanes that name each other
// must be at the same instruction with the same mask.
Meeting& find_meeting(Warp& warp, const Thread& self, const Meeting& wanted) {
  Meeting* found = nullptr;
  for (Meeting& meeting : warp.meetings) {
    const bool same_mask = meeting.mask == wanted.mask;
    if (same_mask && meeting.kind == wanted.kind && same(meeting.where, wanted.where))
      found = &meeting;
    else if ((meeting.mask >> self.lane & 1) && (meeting.arrived & wanted.mask))
      fail_kernel(cudaErrorLaunchFailure,
                  describe(wanted.where) + " in divergent code: a lane it names is at " +
                      describe(meeting.where) + (same_mask ? "" : " with another mask"));
  }
  return found != nullptr ? *found : warp.meetings.emplace_back(wanted);
}

void complete(Warp& warp, const Meeting& meeting) {
  if (meeting.kind == Collective::shuffle)
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      if ((meeting.mask >> lane & 1) == 0) continue;
      const unsigned source = warp.sources[lane];
      const bool takes_part = source < kLanes && (meeting.mask >> source & 1);
      // The value of an absent lane is undefined: these bits show.
      warp.results[lane] = takes_part ? warp.values[source] : ~std::uint64_t{0};
    }
  else if (meeting.kind == Collective::ballot) {
    unsigned ballot = 0;
    for_each_lane(meeting.mask, [&](unsigned lane) { ballot |= (warp.values[lane] != 0 ? 1u : 0u) << lane; });
    for_each_lane(meeting.mask, [&](unsigned lane) { warp.results[lane] = ballot; });
  }
  unsigned accesses = 0;
  for_each_lane(meeting.mask, [&](unsigned lane) { accesses = std::max(accesses, warp.accesses[lane]); });
  for_each_lane(meeting.mask, [&](unsigned lane) { warp.accesses[lane] = accesses; });
  warp.ready |= meeting.mask;
}

[[gnu::always_inline]] inline std::uint64_t meet(Collective kind, unsigned mask, std::uint64_t value,
                                                 unsigned source, const Where& where) {
  Thread& self = *running;
  Warp& warp = *self.warp;
  const unsigned lane = self.lane;
  warp.sources[lane] = source;
  warp.values[lane] = value;
  if ((mask >> lane & 1) == 0 || (mask & ~warp.unfinished) != 0) check_mask(warp, self, mask, where);
  const auto is_wanted = [&](const Meeting& meeting) {
    return meeting.mask == mask && meeting.kind == kind && same(meeting.where, where);
  };
  Meeting& meeting = warp.meetings.size() == 1 && is_wanted(warp.meetings.front())
                         ? warp.meetings.front()
                         : find_meeting(warp, self, {.kind = kind, .mask = mask, .where = where});
  meeting.arrived |= 1u << lane;
  if (meeting.arrived != mask) {
    pause(where);
    return warp.results[lane];
  }
  if (kind != Collective::sync) ++running_counters().collectives;
  complete(warp, meeting);
  meeting = warp.meetings.back();
  warp.meetings.pop_back();
  return warp.results[lane];
}

}  // namespace

std::uint64_t shuffle(unsigned mask, std::uint64_t value, unsigned source, const Where& where) {
  return meet(Collective::shuffle, mask, value, source, where);
}

unsigned ballot(unsigned mask, bool vote, const Where& where) {
  return static_cast<unsigned>(meet(Collective::ballot, mask, vote, 0, where));
}

void meet_lanes(unsigned mask, const Where& where) { meet(Collective::sync, mask, 0, 0, where); }

unsigned current_lane() { return running->lane; }

// The lanes of the warp that have not returned.
unsigned lanes_present() { return running->warp->unfinished; }

int meet_block(bool vote, const Where& where) {
  Block& block = running_block();
  if (block.finished > 0)
    fail_kernel(cudaErrorLaunchFailure,
                describe(where) + ": a thread of the block has returned before this barrier");
  if (block.arrived > 0 && !same(where, block.barrier))
    fail_kernel(cudaErrorLaunchFailure, "barrier in divergent code: this thread is at " + describe(where) +
                                            ", another at " + describe(block.barrier));
  block.barrier = where;
  block.votes += vote;
  if (++block.arrived < block.threads.size()) {
    pause(where);
    return block.votes_of_last_barrier;
  }
  ++running_counters().barriers;
  block.arrived = 0;
  block.votes_of_last_barrier = block.votes;
  block.votes = 0;
  block.cluster->stores.pass_barrier(block);
  unsigned accesses = 0;
  for (const Warp& warp : block.warps)
    accesses = std::max(accesses, *std::ranges::max_element(warp.accesses));
  for (Warp& warp : block.warps) {
    warp.accesses.fill(accesses);
    warp.ready = warp.unfinished;
  }
  return block.votes_of_last_barrier;
}

void arrive_cluster(const Where& where) {
  Thread& self = *running;
  Cluster& cluster = *running_block().cluster;
  if (self.at_cluster_barrier)
    fail_kernel(cudaErrorLaunchFailure,
                describe(where) + ": arrives twice at a cluster barrier without waiting");
  for (const Block& block : cluster.blocks)
    if (block.finished > 0)
      fail_kernel(cudaErrorLaunchFailure, describe(where) + ": block " + std::to_string(block.rank) +
                                              " of the cluster has left before this barrier");
  self.at_cluster_barrier = true;
  self.cluster_phase = cluster.phase;
  if (++cluster.arrived < cluster.threads) return;
  ++running_counters().cluster_barriers;
  cluster.arrived = 0;
  ++cluster.phase;
  for (Block& block : cluster.blocks)
    for (Warp& warp : block.warps) {
      warp.ready |= warp.at_cluster_barrier;
      warp.at_cluster_barrier = 0;
    }
}

void wait_cluster(const Where& where) {
  Thread& self = *running;
  if (!self.at_cluster_barrier)
    fail_kernel(cudaErrorLaunchFailure, describe(where) + ": waits at a cluster barrier without arriving");
  if (running_block().cluster->phase == self.cluster_phase) {
    self.warp->at_cluster_barrier |= 1u << self.lane;
    pause(where);
  }
  self.at_cluster_barrier = false;
}

void* map_shared(const void* pointer, unsigned rank) {
  Block& self = running_block();
  Cluster& cluster = *self.cluster;
  if (rank >= cluster.blocks.size())
    fail_kernel(cudaErrorIllegalAddress, "maps shared memory of block " + std::to_string(rank) +
                                             " of a cluster of " + std::to_string(cluster.blocks.size()));
  if (rank == self.rank) return const_cast<void*>(pointer);
  Block& other = cluster.blocks[rank];
  if (other.finished == other.threads.size())
    fail_kernel(cudaErrorIllegalAddress,
                "maps shared memory of block " + std::to_string(rank) + ", which has left");
  void* mapped = in_image(other.shared, pointer);
  if (mapped == nullptr)
    fail_kernel(cudaErrorIllegalAddress, "maps a pointer that is not into shared memory");
  self.mapped_in[rank] = static_cast<int>(cluster.phase);
  return mapped;
}

ClusterPlace cluster_place() {
  const Block& block = running_block();
  return {block.rank, static_cast<unsigned>(block.cluster->blocks.size()), running_launch().cluster};
}

void check_exit(Thread& thread) {
  Block& block = *thread.warp->block;
  Cluster& cluster = *block.cluster;
  if (block.arrived > 0)
    fail_kernel(cudaErrorLaunchFailure, "returns while others wait at " + describe(block.barrier));
  for (const Meeting& meeting : thread.warp->meetings)
    if (meeting.mask >> thread.lane & 1)
      fail_kernel(cudaErrorLaunchFailure,
                  "returns, and is the absent lane that others name at " + describe(meeting.where));
  const bool arrived = thread.at_cluster_barrier && thread.cluster_phase == cluster.phase;
  if (cluster.arrived > 0 && !arrived)
    fail_kernel(cudaErrorLaunchFailure, "leaves while others wait at a cluster barrier");
  for (const Block& other : cluster.blocks)
    if (other.finished < other.threads.size() &&
        other.mapped_in[block.rank] == static_cast<int>(cluster.phase))
      fail_kernel(cudaErrorLaunchFailure,
                  "leaves the cluster while block " + std::to_string(other.rank) +
                      " may still use its shared memory: no cluster barrier in between");
}

}  // namespace softwarp::simulator
