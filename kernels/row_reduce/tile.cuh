#pragma once

// How a row is partitioned among its threads, and a thread's part of it from memory and back, a tile at a
// time. Only the first and the last vector of a row may be partial; each belongs to one thread, and costs it
// a few smaller accesses.

#include <climits>

#include "kernels/primitives/memory.cuh"
#include "kernels/primitives/reduce.cuh"
#include "kernels/row_reduce/thread_group.cuh"

namespace softwarp {

// A tile: a few of a thread's vectors, `vector_stride` elements apart, the first of which begins at column
// `start`; of a vector the elements are neighbours, or `element_stride` elements from each other. All but
// `start` counts from there, in 32 bits.
template <int kWidth, class Index>
struct Tile {
  Index start;
  int before;  // the row begins so many elements behind `start`
  int left;    // and ends before this one
  int vector_stride;
  int element_stride;
  bool vectorized;

  __device__ int offset(int i, int k) const { return i * vector_stride + k * element_stride; }
  __device__ bool inside(int i, int k) const { return offset(i, k) >= before && offset(i, k) < left; }
  __device__ Index column(int i, int k) const { return start + offset(i, k); }
  // A whole vector is one access; a partial one holds columns of the row and something else. Of all vectors
  // of a row only the first can begin before it, and only the last end behind it.
  __device__ bool whole(int i) const {
    return vectorized && (i > 0 || before == 0) && i * vector_stride + kWidth <= left;
  }
  __device__ bool first_is_partial() const { return vectorized && before > 0 && left > before; }
  __device__ bool last_is_partial(int i) const {
    return vectorized && i * vector_stride < left && i * vector_stride + kWidth > left &&
           (i > 0 || before == 0);
  }
  // The same without the first i vectors.
  __device__ Tile from(int i) const {
    return {start + i * vector_stride,
            i == 0 ? before : 0,
            left - i * vector_stride,
            vector_stride,
            element_stride,
            vectorized};
  }
};

// Vectors of kWidth elements, `threads` of them apart. If `vectorized`, they are counted from the last
// boundary of a vector in front of the row, `head` elements before it, so that each is aligned. Otherwise
// threads take single columns, neighbours going to neighbouring threads.
template <int kWidth>
struct Partition {
  std::int64_t cols;
  int rank;
  int threads;
  int head;
  bool vectorized;

  template <class Index>
  __device__ Tile<kWidth, Index> tile(Index begin) const {
    constexpr int kFar = INT_MAX / 2;
    const int vector_stride = threads * kWidth;
    const Index start = begin * vector_stride + (vectorized ? rank * kWidth - head : rank);
    const Index left = static_cast<Index>(cols) - start;
    return {start,
            start < 0 ? static_cast<int>(-start) : 0,
            left > kFar ? kFar : static_cast<int>(left),
            vector_stride,
            vectorized ? 1 : threads,
            vectorized};
  }
  // The thread that has a column, one below 2^31.
  __device__ int owner(int column) const {
    const auto vector = static_cast<unsigned>(vectorized ? (column + head) / kWidth : column);
    return static_cast<int>(vector % static_cast<unsigned>(threads));
  }
};

// Loads the tile's vectors, with the identity where the row has no column. Issues all whole-vector loads
// before the first use; the row's ends come after.
template <int kVectors, int kWidth, class Index, class T>
__device__ __forceinline__ void load_vectors(const T* row, const Tile<kWidth, Index>& tile, T identity,
                                             Vector<T, kWidth> (&to)[kVectors]) {
  const T* const from = row + tile.start;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    to[i] = tile.whole(i) ? load<kWidth>(from + i * tile.vector_stride) : filled_with<kWidth>(identity);
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
  Vector<T, kWidth> end = filled_with<kWidth>(identity);
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
