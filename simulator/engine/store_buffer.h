#pragma once

// The memory model between blocks, at its least helpful (CUDA C++ Programming Guide, Memory Fence Functions).
// A cluster sees its own stores at once. Another cluster of the launch sees a store once the storing thread
// has passed a fence and then an atomic on global memory, and a thread of the reader an atomic and then a
// fence; otherwise when the launch is over. A barrier of the block before the fence covers the stores of the
// block's other threads.
//
// Memory holds what the cluster that runs may see: the stores of the others are withdrawn from it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace softwarp::simulator {

struct Thread;
struct Block;

struct Store {
  std::byte* to = nullptr;
  const Thread* thread = nullptr;
  std::uint64_t number = 0;         // in the order of the cluster
  std::array<std::byte, 16> other;  // the value that memory does not hold: the one before, or this store's
  unsigned cluster = 0;
  std::uint8_t bytes = 0;
  bool released = false;
};

class StoreBuffer {
 public:
  // Called before memory changes.
  void record(void* to, std::size_t bytes, const Thread& thread);
  // A barrier of the block, a fence of the thread, an atomic of the thread that comes after its fence.
  void pass_barrier(Block& block) const;
  void pass_fence(Thread& thread) const;
  void release(const Thread& thread);

  void withdraw();
  void reinstate();
  // Moves the released ones, or all, to the end of `stores`.
  void move_released(std::vector<Store>& stores);
  void move_all(std::vector<Store>& stores);
  void clear() { stores_.clear(); }

 private:
  std::vector<Store> stores_;
  std::uint64_t number_ = 0;
};

// Writes withdrawn stores to memory for good: all, or those of one cluster.
void commit(std::vector<Store>& stores);
void commit(std::vector<Store>& stores, unsigned cluster);

}  // namespace softwarp::simulator
