#pragma once

// The column of each row's largest element, the first of equals; NaN counts as largest. Bound by memory: a
// row is read once, s bytes an element of s.

#include <array>
#include <climits>

#include "kernels/rows/access.cuh"
#include "kernels/rows/place.h"
#include "kernels/softmax_summary.cuh"

namespace softwarp {

template <class A>
struct ArgmaxSummary {
  A max;
  int best;  // INT_MAX: none is above -inf
  int nan;   // the first NaN's column, or INT_MAX

  __device__ static ArgmaxSummary neutral() { return {kLowest<A>, INT_MAX, INT_MAX}; }
  __device__ static ArgmaxSummary across(const ArgmaxSummary& part, const Lanes& lanes) {
    const A max = lanes.max(part.max);
    return {max, lanes.min(part.max == max ? part.best : INT_MAX), lanes.min(part.nan)};
  }
  __device__ friend ArgmaxSummary operator+(const ArgmaxSummary& a, const ArgmaxSummary& b) {
    const int best = a.max > b.max ? a.best : b.max > a.max ? b.best : a.best < b.best ? a.best : b.best;
    return {larger(a.max, b.max), best, a.nan < b.nan ? a.nan : b.nan};
  }
  // The row's first column where all are -inf.
  __device__ int column() const { return nan != INT_MAX ? nan : best != INT_MAX ? best : 0; }
};

template <class T>
struct Argmax {
  using Input = T;
  using Output = T;  // none is written
  using A = Accumulate<T>;
  using Summary = ArgmaxSummary<A>;
  static constexpr int kInputs = 1;
  static constexpr int kElementBytes = sizeof(T);
  static constexpr int kReads = kInputs;
  static constexpr int kHeld = 8;

  ConstMatrixView<T> x;
  std::int32_t* best;
  const std::int32_t* targets;
  unsigned long long* hits;

  struct Row {
    const T* inputs[kInputs];
    T* output;
    bool reads;
    bool writes;
    std::int64_t number;
  };
  template <int kVectors, int kWidth>
  struct Kept {};
  struct Finish {};

  SOFTWARP_HD std::int64_t rows() const { return x.rows; }
  SOFTWARP_HD std::int64_t cols() const { return x.cols; }
  SOFTWARP_HD bool writes() const { return false; }
  auto places() const { return std::array{place_of(x)}; }

  __device__ Row place(std::int64_t r) const { return {{x.row(r)}, nullptr, r < x.rows, false, r}; }
  __device__ Row open(std::int64_t r, const Lanes&) const { return place(r); }
  __device__ static T fill() { return static_cast<T>(-kInfinity<float>); }

  template <int kVectors, int kWidth, class Window>
  __device__ void add(Summary& summary, const Vector<T, kWidth> (&in)[1][kVectors],
                      const Window& window) const {
#pragma unroll
    for (int i = 0; i < kVectors; ++i)
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        const A v = static_cast<A>(in[0][i].v[k]);
        const int column = static_cast<int>(window.column(i, k));
        // A thread meets its columns in rising order.
        if (v > summary.max || (v == summary.max && summary.best == INT_MAX))
          summary.max = v, summary.best = column;
        if (v != v && summary.nan == INT_MAX) summary.nan = column;
      }
  }
  template <int kVectors, int kWidth, class Window>
  __device__ Summary take(const Vector<T, kWidth> (&in)[1][kVectors], Kept<kVectors, kWidth>&,
                          const Window& window, const Lanes& lanes) const {
    Summary summary = Summary::neutral();
    add(summary, in, window);
    return Summary::across(summary, lanes);
  }

  template <class Share>
  __device__ Finish finish(const Row&, const Summary&, const Summary&, const Share&) const {
    return {};
  }
  template <int kVectors, int kWidth, class Window>
  __device__ Vector<T, kWidth> from_kept(const Finish&, const Vector<T, kWidth> (&in)[1][kVectors],
                                         const Kept<kVectors, kWidth>&, int i, const Window&) const {
    return in[0][i];
  }
  template <int kVectors, int kWidth, class Window>
  __device__ Vector<T, kWidth> from_input(const Finish&, const Vector<T, kWidth> (&in)[1][kVectors], int i,
                                          const Window&) const {
    return in[0][i];
  }

  template <class Share>
  __device__ void close(const Row& row, const Finish&, const Summary& of_row, const Share& share) const {
    if (!row.reads || share.rank != 0) return;
    const int column = of_row.column();
    store_one(column, best + row.number);
    // Whole numbers: the same sum in any order.
    if (hits != nullptr && load_one(targets + row.number) == column) atomicAdd(hits, 1ull);
  }
};

}  // namespace softwarp
