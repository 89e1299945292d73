#pragma once

// Reductions over neighbouring lanes of a warp, by shuffles: every lane ends with the same bits, which
// cub::WarpReduce would give to the first lane only. All lanes of the warp take part.

#include <cuda_runtime.h>

#include "kernels/primitives/vector.cuh"

namespace softwarp {

inline constexpr unsigned kAllLanes = 0xffffffffu;

template <class V>
__device__ __forceinline__ V warp_shuffle_xor(const V& value, int distance) {
  auto words = words_of(value);
#pragma unroll
  for (unsigned& word : words.v) word = __shfl_xor_sync(kAllLanes, word, distance);
  return __builtin_bit_cast(V, words);
}

__device__ __forceinline__ float max_of(float a, float b) { return fmaxf(a, b); }
__device__ __forceinline__ double max_of(double a, double b) { return fmax(a, b); }

// `size` lanes, a power of two, that own a row together: neighbours, or each `stride`th of them.
struct LogicalWarp {
  int size;
  int stride = 1;

  // The reduction of the lanes' values by `op`.
  template <class V, class BinaryOp>
  __device__ __forceinline__ V all_reduce(V value, BinaryOp op) const {
    for (int distance = size / 2; distance >= stride; distance /= 2)
      value = op(value, warp_shuffle_xor(value, distance));
    return value;
  }
  // NaN is passed over.
  template <class V>
  __device__ __forceinline__ V max(V value) const {
    return all_reduce(value, [](V a, V b) { return max_of(a, b); });
  }
  template <class V>
  __device__ __forceinline__ V min(V value) const {
    return all_reduce(value, [](V a, V b) { return a < b ? a : b; });
  }
  template <class V>
  __device__ __forceinline__ V sum(V value) const {
    return all_reduce(value, [](V a, V b) { return a + b; });
  }
  // The value of the first lane.
  template <class V>
  __device__ __forceinline__ V first(V value) const {
    return __shfl_sync(kAllLanes, value, 0, size);
  }
};

}  // namespace softwarp
