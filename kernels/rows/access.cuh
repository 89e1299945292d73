#pragma once

// A thread's share of a row, from memory and back. Only the first and the last vector of a row may not be
// whole; each is some thread's, and costs it a few smaller accesses.

#include "kernels/arithmetic.cuh"
#include "kernels/rows/share.cuh"
#include "kernels/vector.cuh"

namespace softwarp {

// The window's vectors, with `fill` where the row has no column. All whole ones are asked for before anything
// waits for one of them; the row's ends come after.
template <int kVectors, int kWidth, class Index, class T>
__device__ __forceinline__ void load_vectors(const T* row, const RowWindow<kWidth, Index>& window, T fill,
                                             Vector<T, kWidth> (&to)[kVectors]) {
  const T* const from = row + window.start;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    to[i] = window.whole(i) ? load<kWidth>(from + i * window.step) : filled_with<kWidth>(fill);
  if (!window.wide) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
#pragma unroll
      for (int k = 0; k < kWidth; ++k)
        if (window.inside(i, k)) to[i].v[k] = load_one(from + window.offset(i, k));
    return;
  }
  if (window.first_is_partial())
    load_some<kWidth>(from + window.before, -window.before, window.left - window.before, to[0].v);
  if (window.whole(kVectors - 1)) return;
  int last = -1;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    if (window.last_is_partial(i)) last = i;
  if (last < 0) return;
  Vector<T, kWidth> end = filled_with<kWidth>(fill);
  load_some<kWidth>(from + last * window.step, 0, window.left - last * window.step, end.v);
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    if (i == last) to[i] = end;
}

// The same back; vector_at(i) is the window's vector i.
template <int kVectors, int kWidth, class Index, class U, class VectorAt>
__device__ __forceinline__ void store_vectors(VectorAt vector_at, U* row,
                                              const RowWindow<kWidth, Index>& window) {
  U* const to = row + window.start;
  Vector<U, kWidth> end{};
  int last = -1;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const Vector<U, kWidth> vector = vector_at(i);
    if (window.whole(i)) store(vector, to + i * window.step);
    if (i == 0 && window.first_is_partial())
      store_some<kWidth>(vector.v, to + window.before, -window.before, window.left - window.before);
    if (window.last_is_partial(i)) end = vector, last = i;
    if (window.wide) continue;
#pragma unroll
    for (int k = 0; k < kWidth; ++k)
      if (window.inside(i, k)) store_one(vector.v[k], to + window.offset(i, k));
  }
  if (last >= 0) store_some<kWidth>(end.v, to + last * window.step, 0, window.left - last * window.step);
}

// To compute with.
template <int kVectors, int kWidth, class T>
__device__ __forceinline__ void accumulate(const Vector<T, kWidth> (&from)[kVectors],
                                           Accumulate<T> (&to)[kVectors][kWidth]) {
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
#pragma unroll
    for (int k = 0; k < kWidth; ++k) to[i][k] = static_cast<Accumulate<T>>(from[i].v[k]);
}

}  // namespace softwarp
