#pragma once

// The columns of a row that one of its owners has.

#include <climits>

#include "kernels/row_reduce/thread_group.cuh"

namespace softwarp {

// A few of a thread's vectors, `vector_stride` elements apart, the first of which begins at column `start`;
// of a vector the elements are neighbours, or `element_stride` elements from each other. All but `start`
// counts from there, in 32 bits.
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
  // Whether vector i is one access, and whether it holds some columns of the row, but not only. Of all
  // vectors of a row only the first can begin before it, and only the last end behind it.
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

// Vectors of kWidth elements, `threads` of them apart. Wide shares count them from the last border of a
// vector in front of the row, `head` elements before it, so that each is aligned. Narrow ones take single
// columns, so that neighbours go to neighbouring threads.
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

}  // namespace softwarp
