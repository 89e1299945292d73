#pragma once

// softmax and log_softmax of each row.
//
//   y_i = exp(x_i - m) / sum_k exp(x_k - m),   log y_i = x_i - m - log sum_k exp(x_k - m),   m = max_k x_k
//
// Bound by memory: a row is read once and written once, 2 s bytes an element of s, and costs one ex2 an
// element. Rows that only streaming can manage cost two, and what shared memory cannot keep of them is read
// twice, 3 s. How a row is spread over threads: rows/plan.h.

#include <array>

#include "kernels/rows/access.cuh"
#include "kernels/rows/place.h"
#include "kernels/softmax_summary.cuh"

namespace softwarp {

template <class T, class U, bool kLog>
struct Softmax {
  using Input = T;
  using Output = U;
  using A = Accumulate<T>;
  using Summary = SoftmaxSummary<A>;
  static constexpr int kInputs = 1;
  static constexpr int kElementBytes = sizeof(T) > sizeof(U) ? sizeof(T) : sizeof(U);
  static constexpr int kReads = kInputs;
  static constexpr int kHeld = kLog && kElementBytes == 2 ? 4 : 8;

  ConstMatrixView<T> x;
  MatrixView<U> y;

  struct Row {
    const T* inputs[kInputs];
    U* output;
    bool reads;
    bool writes;
  };
  template <int kVectors, int kWidth>
  struct Kept {
    A v[kVectors][kWidth];  // exp(x - max of the lanes)
  };
  struct Finish {
    A max;
    A scale;       // of exp(x - max)
    A kept_scale;  // of what is kept
    A log_sum;
  };

  SOFTWARP_HD std::int64_t rows() const { return x.rows; }
  SOFTWARP_HD std::int64_t cols() const { return x.cols; }
  SOFTWARP_HD bool writes() const { return true; }
  auto places() const { return std::array{place_of(x), place_of(y)}; }

  __device__ Row place(std::int64_t r) const { return {{x.row(r)}, y.row(r), r < x.rows, r < x.rows}; }
  __device__ Row open(std::int64_t r, const Lanes&) const { return place(r); }
  __device__ static T fill() { return static_cast<T>(-kInfinity<float>); }

  template <int kVectors, int kWidth, class Window>
  __device__ Summary take(const Vector<T, kWidth> (&in)[1][kVectors], Kept<kVectors, kWidth>& kept,
                          const Window&, const Lanes& lanes) const {
    accumulate(in[0], kept.v);
    const A max = lanes.max(largest(kept.v));
    return {max, lanes.sum(exponentials(kept.v, max))};
  }

  template <int kVectors, int kWidth, class Window>
  __device__ void add(Summary& summary, const Vector<T, kWidth> (&in)[1][kVectors], const Window&) const {
    A v[kVectors][kWidth];
    accumulate(in[0], v);
    summary.rescale(larger(summary.max, largest(v)));
    summary.sum += exponentials(v, summary.max);
  }

  template <class Share>
  __device__ Finish finish(const Row&, const Summary& of_lanes, const Summary& of_row, const Share&) const {
    if constexpr (kLog) {
      return {of_row.max, 0, 0, logarithm(of_row.sum)};
    } else {
      const A scale = reciprocal(of_row.sum);
      A kept_scale = scale;
      if (of_lanes.max != of_row.max) kept_scale *= exponential(of_lanes.max - of_row.max);
      return {of_row.max, scale, kept_scale, 0};
    }
  }

  template <int kVectors, int kWidth, class Window>
  __device__ Vector<U, kWidth> from_kept(const Finish& f, const Vector<T, kWidth> (&in)[1][kVectors],
                                         const Kept<kVectors, kWidth>& kept, int i,
                                         const Window& window) const {
    if constexpr (kLog) {
      return from_input(f, in, i, window);
    } else {
      Vector<U, kWidth> out;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) out.v[k] = static_cast<U>(kept.v[i][k] * f.kept_scale);
      return out;
    }
  }

  template <int kVectors, int kWidth, class Window>
  __device__ Vector<U, kWidth> from_input(const Finish& f, const Vector<T, kWidth> (&in)[1][kVectors], int i,
                                          const Window&) const {
    Vector<U, kWidth> out;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const A shifted = static_cast<A>(in[0][i].v[k]) - f.max;
      out.v[k] = static_cast<U>(kLog ? shifted - f.log_sum : exponential(shifted) * f.scale);
    }
    return out;
  }

  template <class Share>
  __device__ void close(const Row&, const Finish&, const Summary&, const Share&) const {}
};

}  // namespace softwarp
