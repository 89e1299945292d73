#pragma once

// A thread's share of a row, from memory and back. Only the first and the last vector of a row may not be
// whole; each is some thread's, and costs it a few smaller accesses.

#include "kernels/primitives/arithmetic.cuh"
#include "kernels/primitives/vector.cuh"
#include "kernels/row_reduce/partition.cuh"

namespace softwarp {

// The tile's vectors, with `fill` where the row has no column. All whole ones are asked for before anything
// waits for one of them; the row's ends come after.
template <int kVectors, int kWidth, class Index, class T>
__device__ __forceinline__ void load_vectors(const T* row, const Tile<kWidth, Index>& tile, T fill,
                                             Vector<T, kWidth> (&to)[kVectors]) {
  const T* const from = row + tile.start;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    to[i] = tile.whole(i) ? load<kWidth>(from + i * tile.vector_stride) : filled_with<kWidth>(fill);
  if (!tile.vectorized) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
#pragma unroll
      for (int k = 0; k < kWidth; ++k)
        if (tile.inside(i, k)) to[i].v[k] = load_one(from + tile.offset(i, k));
    return;
  }
  if (tile.first_is_partial())
    load_partial<kWidth>(from + tile.before, -tile.before, tile.left - tile.before, to[0].v);
  if (tile.whole(kVectors - 1)) return;
  int last = -1;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    if (tile.last_is_partial(i)) last = i;
  if (last < 0) return;
  Vector<T, kWidth> end = filled_with<kWidth>(fill);
  load_partial<kWidth>(from + last * tile.vector_stride, 0, tile.left - last * tile.vector_stride, end.v);
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    if (i == last) to[i] = end;
}

// The same back; vector_at(i) is the tile's vector i.
template <int kVectors, int kWidth, class Index, class U, class VectorAt>
__device__ __forceinline__ void store_vectors(VectorAt vector_at, U* row, const Tile<kWidth, Index>& tile) {
  U* const to = row + tile.start;
  Vector<U, kWidth> end{};
  int last = -1;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const Vector<U, kWidth> vector = vector_at(i);
    if (tile.whole(i)) store(vector, to + i * tile.vector_stride);
    if (i == 0 && tile.first_is_partial())
      store_partial<kWidth>(vector.v, to + tile.before, -tile.before, tile.left - tile.before);
    if (tile.last_is_partial(i)) end = vector, last = i;
    if (tile.vectorized) continue;
#pragma unroll
    for (int k = 0; k < kWidth; ++k)
      if (tile.inside(i, k)) store_one(vector.v[k], to + tile.offset(i, k));
  }
  if (last >= 0)
    store_partial<kWidth>(end.v, to + last * tile.vector_stride, 0, tile.left - last * tile.vector_stride);
}

// To compute with.
template <int kVectors, int kWidth, class T>
__device__ __forceinline__ void to_accumulator(const Vector<T, kWidth> (&from)[kVectors],
                                               Accumulate<T> (&to)[kVectors][kWidth]) {
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
#pragma unroll
    for (int k = 0; k < kWidth; ++k) to[i][k] = static_cast<Accumulate<T>>(from[i].v[k]);
}

}  // namespace softwarp
