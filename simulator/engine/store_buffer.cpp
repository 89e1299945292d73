#include "simulator/engine/store_buffer.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <ranges>

#include "simulator/engine/kernel.h"

namespace softwarp::simulator {

namespace {

// As std::memcpy, of sizes that are few.
void copy_bytes(void* to, const void* from, std::size_t bytes) {
  switch (bytes) {
    case 2: std::memcpy(to, from, 2); break;
    case 4: std::memcpy(to, from, 4); break;
    case 8: std::memcpy(to, from, 8); break;
    case 16: std::memcpy(to, from, 16); break;
    default: std::memcpy(to, from, bytes);
  }
}

void exchange(Store& store) {
  std::array<std::byte, 16> in_memory;
  copy_bytes(in_memory.data(), store.to, store.bytes);
  copy_bytes(store.to, store.other.data(), store.bytes);
  copy_bytes(store.other.data(), in_memory.data(), store.bytes);
}

}  // namespace

void StoreBuffer::record(void* to, std::size_t bytes, const Thread& thread) {
  Store& store = stores_.emplace_back();
  store.to = static_cast<std::byte*>(to);
  store.thread = &thread;
  store.number = number_++;
  store.cluster = thread.warp->block->cluster->number;
  store.bytes = static_cast<std::uint8_t>(bytes);
  copy_bytes(store.other.data(), to, bytes);
}

void StoreBuffer::pass_barrier(Block& block) const { block.stores_at_barrier = number_; }

void StoreBuffer::pass_fence(Thread& thread) const {
  thread.own_stores_at_fence = number_;
  thread.block_stores_at_fence = thread.warp->block->stores_at_barrier;
}

void StoreBuffer::release(const Thread& thread) {
  if (thread.own_stores_at_fence == 0 && thread.block_stores_at_fence == 0) return;
  const Block* const block = thread.warp->block;
  for (Store& store : stores_)
    if ((store.thread == &thread && store.number < thread.own_stores_at_fence) ||
        (store.thread->warp->block == block && store.number < thread.block_stores_at_fence))
      store.released = true;
}

void StoreBuffer::withdraw() {
  for (Store& store : std::views::reverse(stores_)) exchange(store);
}

void StoreBuffer::reinstate() {
  for (Store& store : stores_) exchange(store);
}

void StoreBuffer::move_released(std::vector<Store>& stores) {
  const auto kept =
      std::ranges::stable_partition(stores_, [](const Store& store) { return !store.released; });
  std::ranges::move(kept, std::back_inserter(stores));
  stores_.erase(kept.begin(), kept.end());
}

void StoreBuffer::move_all(std::vector<Store>& stores) {
  std::ranges::move(stores_, std::back_inserter(stores));
  stores_.clear();
}

void commit(std::vector<Store>& stores) {
  for (const Store& store : stores) copy_bytes(store.to, store.other.data(), store.bytes);
  stores.clear();
}

void commit(std::vector<Store>& stores, unsigned cluster) {
  std::vector<Store> own;
  std::ranges::copy_if(stores, std::back_inserter(own),
                       [&](const Store& store) { return store.cluster == cluster; });
  std::erase_if(stores, [&](const Store& store) { return store.cluster == cluster; });
  commit(own);
}

}  // namespace softwarp::simulator
