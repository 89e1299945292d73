#pragma once

// The columns of a row that one of its owners has.

#include <climits>

#include "kernels/rows/team.cuh"

namespace softwarp {

// A few of a thread's vectors, `step` elements apart, the first of which begins at column `start`; of a
// vector the elements are neighbours, or `apart` elements from each other. All but `start` counts from there,
// in 32 bits.
template <int kWidth, class Index>
struct RowWindow {
  Index start;
  int before;  // the row begins so many elements behind `start`
  int left;    // and ends before this one
  int step;
  int apart;
  bool wide;

  __device__ int offset(int i, int k) const { return i * step + k * apart; }
  __device__ bool inside(int i, int k) const { return offset(i, k) >= before && offset(i, k) < left; }
  __device__ Index column(int i, int k) const { return start + offset(i, k); }
  // Whether vector i is one access, and whether it holds some columns of the row, but not only. Of all
  // vectors of a row only the first can begin before it, and only the last end behind it.
  __device__ bool whole(int i) const { return wide && (i > 0 || before == 0) && i * step + kWidth <= left; }
  __device__ bool first_is_partial() const { return wide && before > 0 && left > before; }
  __device__ bool last_is_partial(int i) const {
    return wide && i * step < left && i * step + kWidth > left && (i > 0 || before == 0);
  }
  // The same without the first i vectors.
  __device__ RowWindow from(int i) const {
    return {start + i * step, i == 0 ? before : 0, left - i * step, step, apart, wide};
  }
};

// Vectors of kWidth elements, `threads` of them apart. Wide shares count them from the last border of a
// vector in front of the row, `head` elements before it, so that each is aligned. Narrow ones take single
// columns, so that neighbours go to neighbouring threads.
template <int kWidth>
struct RowShare {
  std::int64_t cols;
  int rank;
  int threads;
  int head;
  bool wide;

  template <class Index>
  __device__ RowWindow<kWidth, Index> window(Index begin) const {
    constexpr int kFar = INT_MAX / 2;
    const int step = threads * kWidth;
    const Index start = begin * step + (wide ? rank * kWidth - head : rank);
    const Index left = static_cast<Index>(cols) - start;
    return {start,
            start < 0 ? static_cast<int>(-start) : 0,
            left > kFar ? kFar : static_cast<int>(left),
            step,
            wide ? 1 : threads,
            wide};
  }
  // The thread that has a column, one below 2^31.
  __device__ int owner(int column) const {
    const auto vector = static_cast<unsigned>(wide ? (column + head) / kWidth : column);
    return static_cast<int>(vector % static_cast<unsigned>(threads));
  }
};

}  // namespace softwarp
