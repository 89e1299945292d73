#include "simulator/engine/store_buffer.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <ranges>

#include "simulator/engine/kernel.h"

namespace softwarp::simulator {

namespace {

void exchange(Store& store) {
  std::array<std::byte, 16> in_memory;
  std::memcpy(in_memory.data(), store.to, store.bytes);
  std::memcpy(store.to, store.other.data(), store.bytes);
  store.other = in_memory;
}

}  // namespace

void StoreBuffer::record(void* to, std::size_t bytes, const Thread& thread) {
  Store& store = stores_.emplace_back(Store{.to = static_cast<std::byte*>(to),
                                            .bytes = bytes,
                                            .number = number_++,
                                            .thread = &thread,
                                            .cluster = thread.warp->block->cluster->number});
  std::memcpy(store.other.data(), to, bytes);
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
  for (const Store& store : stores) std::memcpy(store.to, store.other.data(), store.bytes);
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
