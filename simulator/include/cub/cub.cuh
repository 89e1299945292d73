#pragma once

// The part of CUB that softwarp uses, with its contracts: who gets a result, who must wait before the
// temporary storage is used again, how large it must be.

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include <cuda_runtime.h>

namespace cub {

// Reductions hand their result to the first thread alone; the others get bytes that show.
template <class T>
T undefined_unless(bool defined, T value) {
  if (!defined) std::memset(&value, 0xff, sizeof value);
  return value;
}

template <class T, int kThreads>
class BlockReduce {
 public:
  struct TempStorage {
    T items[kThreads];
  };
  explicit BlockReduce(TempStorage& storage) : storage_(storage) {}

  template <class Operator>
  T Reduce(T item, Operator op,
           const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
    storage_.items[threadIdx.x] = item;
    softwarp::simulator::meet_block(false, where);
    if (threadIdx.x != 0) return undefined_unless(false, item);
    T result = storage_.items[0];
    for (int i = 1; i < kThreads; ++i) result = op(result, storage_.items[i]);
    return result;
  }
  T Sum(T item, const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
    return Reduce(item, [](const T& a, const T& b) { return a + b; }, where);
  }

 private:
  TempStorage& storage_;
};

template <class T, int kLanes = 32>
class WarpReduce {
 public:
  struct TempStorage {
    T items[kLanes];
  };
  explicit WarpReduce(TempStorage& storage) : storage_(storage) {}

  template <class Operator>
  T Reduce(T item, Operator op,
           const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
    const unsigned lane = softwarp::simulator::current_lane() % kLanes;
    const unsigned first = softwarp::simulator::current_lane() - lane;
    storage_.items[lane] = item;
    softwarp::simulator::meet_lanes((kLanes == 32 ? ~0u : (1u << kLanes % 32) - 1) << first, where);
    if (lane != 0) return undefined_unless(false, item);
    T result = storage_.items[0];
    for (int i = 1; i < kLanes; ++i) result = op(result, storage_.items[i]);
    return result;
  }
  T Sum(T item, const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
    return Reduce(item, [](const T& a, const T& b) { return a + b; }, where);
  }

 private:
  TempStorage& storage_;
};

struct DeviceRadixSort {
  // Called twice: with null `storage` it only says how large that must be. Stable, ascending by the bits
  // [begin_bit, end_bit) of unsigned keys.
  template <class Key, class Value, class Count>
  static cudaError_t SortPairs(void* storage, std::size_t& storage_bytes, const Key* keys_in, Key* keys_out,
                               const Value* values_in, Value* values_out, Count count, int begin_bit = 0,
                               int end_bit = sizeof(Key) * 8, cudaStream_t stream = nullptr) {
    static_assert(std::is_unsigned_v<Key>, "the simulator sorts unsigned keys only");
    const auto n = static_cast<std::size_t>(count);
    const std::size_t needed = 256 + n * (sizeof(Key) + sizeof(Value));
    if (storage == nullptr) {
      storage_bytes = needed;
      return cudaSuccess;
    }
    if (storage_bytes < needed) return cudaErrorInvalidValue;
    const auto sort = [=] {
      const int bits = end_bit - begin_bit;
      const Key mask = bits >= static_cast<int>(sizeof(Key) * 8) ? static_cast<Key>(~Key{0})
                                                                 : static_cast<Key>((Key{1} << bits) - 1);
      const std::vector<Key> keys(keys_in, keys_in + n);
      const std::vector<Value> values(values_in, values_in + n);
      std::vector<std::size_t> order(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::ranges::stable_sort(order, {},
                               [&](std::size_t i) { return static_cast<Key>(keys[i] >> begin_bit) & mask; });
      std::memset(storage, 0xff, needed);
      for (std::size_t i = 0; i < n; ++i) {
        keys_out[i] = keys[order[i]];
        values_out[i] = values[order[i]];
      }
      return cudaSuccess;
    };
    return softwarp::simulator::run_on_device("cub::DeviceRadixSort::SortPairs", stream,
                                              {{keys_in, n * sizeof(Key)},
                                               {keys_out, n * sizeof(Key)},
                                               {values_in, n * sizeof(Value)},
                                               {values_out, n * sizeof(Value)},
                                               {storage, needed}},
                                              sort);
  }
};

}  // namespace cub
