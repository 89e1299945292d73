#pragma once

// A thread's share of a row, from memory and back.

#include "kernels/arithmetic.cuh"
#include "kernels/rows/team.cuh"
#include "kernels/vector.cuh"

namespace softwarp {

// Vectors begin to begin + kVectors - 1, with `fill` where the row has no column. All whole vectors are asked
// for before anything waits for one of them; the row's ends come after.
template <int kVectors, int kWidth, class Index, class T>
__device__ __forceinline__ void load_vectors(const T* row, const RowShare<kWidth, Index>& share, Index begin,
                                             T fill, Vector<T, kWidth> (&to)[kVectors]) {
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    to[i] = share.whole(begin + i) ? load<kWidth>(row + share.first(begin + i)) : filled_with<kWidth>(fill);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (share.partial(begin + i)) load_some<kWidth>(row, share.first(begin + i), share.cols, to[i].v);
    if (share.wide) continue;
#pragma unroll
    for (int k = 0; k < kWidth; ++k)
      if (const Index column = share.column(begin + i, k); column < share.cols)
        to[i].v[k] = load_one(row + column);
  }
}

template <int kWidth, class Index, class U>
__device__ __forceinline__ void store_vector(const Vector<U, kWidth>& from, U* row,
                                             const RowShare<kWidth, Index>& share, Index i) {
  if (share.whole(i)) {
    store(from, row + share.first(i));
  } else if (share.wide) {
    store_some<kWidth>(from.v, row, share.first(i), share.cols);
  } else {
#pragma unroll
    for (int k = 0; k < kWidth; ++k)
      if (const Index column = share.column(i, k); column < share.cols) store_one(from.v[k], row + column);
  }
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
