#pragma once

// Cooperative groups: the block, the cluster with distributed shared memory, and tiles of a warp.

#include <cuda_runtime.h>

namespace cooperative_groups {

using softwarp::simulator::Where;

class thread_block {
 public:
  static void sync(const Where& where = Where::current()) { softwarp::simulator::meet_block(false, where); }
  static unsigned thread_rank() {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  }
  static unsigned num_threads() { return blockDim.x * blockDim.y * blockDim.z; }
  static unsigned size() { return num_threads(); }
  static dim3 thread_index() { return {threadIdx.x, threadIdx.y, threadIdx.z}; }
  static dim3 group_index() { return {blockIdx.x, blockIdx.y, blockIdx.z}; }
};
inline thread_block this_thread_block() { return {}; }

class cluster_group {
 public:
  struct arrival_token {};

  static void sync(const Where& where = Where::current()) {
    softwarp::simulator::arrive_cluster(where);
    softwarp::simulator::wait_cluster(where);
  }
  static arrival_token barrier_arrive(const Where& where = Where::current()) {
    softwarp::simulator::arrive_cluster(where);
    return {};
  }
  static void barrier_wait(arrival_token = {}, const Where& where = Where::current()) {
    softwarp::simulator::wait_cluster(where);
  }
  static unsigned block_rank() { return softwarp::simulator::cluster_place().rank; }
  static unsigned num_blocks() { return softwarp::simulator::cluster_place().blocks; }
  static dim3 dim_blocks() { return softwarp::simulator::cluster_place().shape; }
  static unsigned thread_rank() { return block_rank() * thread_block::size() + thread_block::thread_rank(); }
  static unsigned num_threads() { return num_blocks() * thread_block::size(); }
  template <class T>
  static T* map_shared_rank(T* pointer, unsigned rank) {
    return static_cast<T*>(softwarp::simulator::map_shared(pointer, rank));
  }
};
inline cluster_group this_cluster() { return {}; }

// kSize consecutive lanes; a power of two up to 32.
template <unsigned kSize>
class thread_block_tile {
 public:
  void sync(const Where& where = Where::current()) const { softwarp::simulator::meet_lanes(mask(), where); }
  static unsigned thread_rank() { return softwarp::simulator::current_lane() % kSize; }
  static unsigned meta_group_rank() { return thread_block::thread_rank() / kSize; }
  static unsigned meta_group_size() { return (thread_block::size() + kSize - 1) / kSize; }
  static constexpr unsigned num_threads() { return kSize; }
  static constexpr unsigned size() { return kSize; }

  template <class T>
  T shfl(T value, unsigned source, const Where& where = Where::current()) const {
    return __shfl_sync(mask(), value, static_cast<int>(source), kSize, where);
  }
  template <class T>
  T shfl_xor(T value, unsigned lanes, const Where& where = Where::current()) const {
    return __shfl_xor_sync(mask(), value, static_cast<int>(lanes), kSize, where);
  }
  template <class T>
  T shfl_up(T value, unsigned delta, const Where& where = Where::current()) const {
    return __shfl_up_sync(mask(), value, delta, kSize, where);
  }
  template <class T>
  T shfl_down(T value, unsigned delta, const Where& where = Where::current()) const {
    return __shfl_down_sync(mask(), value, delta, kSize, where);
  }
  int any(int vote, const Where& where = Where::current()) const { return __any_sync(mask(), vote, where); }
  int all(int vote, const Where& where = Where::current()) const { return __all_sync(mask(), vote, where); }
  unsigned ballot(int vote, const Where& where = Where::current()) const {
    return __ballot_sync(mask(), vote, where) >> first();
  }

 private:
  static unsigned first() { return softwarp::simulator::current_lane() / kSize * kSize; }
  static unsigned mask() { return (kSize == 32 ? ~0u : (1u << kSize % 32) - 1) << first(); }
};
template <unsigned kSize>
thread_block_tile<kSize> tiled_partition(const thread_block&) {
  return {};
}

inline void sync(const thread_block& group, const Where& where = Where::current()) { group.sync(where); }
inline void sync(const cluster_group& group, const Where& where = Where::current()) { group.sync(where); }

}  // namespace cooperative_groups
