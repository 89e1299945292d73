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
void check_mask(const Warp& warp, const Thread& self, unsigned mask) {
  const std::string where = describe(self.where);
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
  unsigned ballot = 0;
  unsigned accesses = 0;
  for_each_lane(meeting.mask, [&](unsigned lane) {
    if (warp.threads[lane].offer.value != 0) ballot |= 1u << lane;
    accesses = std::max(accesses, warp.threads[lane].accesses);
  });
  for_each_lane(meeting.mask, [&](unsigned lane) {
    Thread& thread = warp.threads[lane];
    const unsigned source = thread.offer.source;
    const bool takes_part = source < 32 && (meeting.mask >> source & 1);
    // The value of an absent lane is undefined: these bits show.
    if (meeting.kind == Collective::shuffle)
      thread.offer.result = takes_part ? warp.threads[source].offer.value : ~std::uint64_t{0};
    else
      thread.offer.result = ballot;
    thread.accesses = accesses;
    make_ready(thread);
  });
}

std::uint64_t meet(Collective kind, unsigned mask, std::uint64_t value, unsigned source, const Where& where) {
  Thread& self = *running;
  Warp& warp = *self.warp;
  self.offer = {.source = source, .value = value};
  self.where = where;
  if ((mask >> self.lane & 1) == 0 || (mask & ~warp.unfinished) != 0) check_mask(warp, self, mask);
  Meeting& meeting = find_meeting(warp, self, {.kind = kind, .mask = mask, .where = where});
  meeting.arrived |= 1u << self.lane;
  if (meeting.arrived != mask) {
    pause(Wait::lanes, where);
    return self.offer.result;
  }
  if (kind != Collective::sync) ++running_counters().collectives;
  complete(warp, meeting);
  meeting = warp.meetings.back();
  warp.meetings.pop_back();
  return self.offer.result;
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
    pause(Wait::block, where);
    return block.votes_of_last_barrier;
  }
  ++running_counters().barriers;
  block.arrived = 0;
  block.votes_of_last_barrier = block.votes;
  block.votes = 0;
  block.cluster->stores.pass_barrier(block);
  unsigned accesses = 0;
  for (const Thread& thread : block.threads) accesses = std::max(accesses, thread.accesses);
  for (Thread& thread : block.threads) {
    thread.accesses = accesses;
    make_ready(thread);
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
    for (Thread& thread : block.threads)
      if (thread.wait == Wait::cluster) make_ready(thread);
}

void wait_cluster(const Where& where) {
  Thread& self = *running;
  if (!self.at_cluster_barrier)
    fail_kernel(cudaErrorLaunchFailure, describe(where) + ": waits at a cluster barrier without arriving");
  if (running_block().cluster->phase == self.cluster_phase) pause(Wait::cluster, where);
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
