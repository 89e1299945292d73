#pragma once

// The backward of softmax and log_softmax of each row, from the result y and the gradient dy that arrives.
//
//   softmax:      dx_i = y_i (dy_i - sum_k dy_k y_k)
//   log_softmax:  dx_i = dy_i - exp(y_i) sum_k dy_k
//
// Bound by memory: y and dy are read once and dx is written once, 3 s bytes an element of s. Products and
// sums are float (of double, double): dy y is not rounded to the 16 bits that its factors may have.

#include <array>

#include "kernels/rows/access.cuh"
#include "kernels/rows/place.h"

namespace softwarp {

template <class A>
struct Sum {
  A value;
  __device__ static Sum neutral() { return {0}; }
  __device__ static Sum across(const Sum& part, const Lanes& lanes) { return {lanes.sum(part.value)}; }
  __device__ friend Sum operator+(const Sum& a, const Sum& b) { return {a.value + b.value}; }
};

template <class T, bool kLog>
struct SoftmaxBackward {
  using Input = T;
  using Output = T;
  using A = Accumulate<T>;
  using Summary = Sum<A>;
  static constexpr int kInputs = 2;
  static constexpr int kElementBytes = sizeof(T);
  static constexpr int kReads = kInputs;
  static constexpr int kHeld = 4;

  ConstMatrixView<T> y;
  ConstMatrixView<T> dy;
  MatrixView<T> dx;

  struct Row {
    const T* inputs[kInputs];
    T* output;
    bool reads;
    bool writes;
  };
  template <int kVectors, int kWidth>
  struct Kept {};
  using Finish = A;  // the sum

  SOFTWARP_HD std::int64_t rows() const { return y.rows; }
  SOFTWARP_HD std::int64_t cols() const { return y.cols; }
  SOFTWARP_HD bool writes() const { return true; }
  auto places() const { return std::array{place_of(y), place_of(dy), place_of(dx)}; }

  __device__ Row place(std::int64_t r) const {
    return {{y.row(r), dy.row(r)}, dx.row(r), r < y.rows, r < y.rows};
  }
  __device__ Row open(std::int64_t r, const Lanes&) const { return place(r); }
  __device__ static T fill() { return static_cast<T>(0.0f); }

  template <int kVectors, int kWidth, class Window>
  __device__ void add(Summary& summary, const Vector<T, kWidth> (&in)[2][kVectors], const Window&) const {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      A of_vector = 0;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        const A g = static_cast<A>(in[1][i].v[k]);
        of_vector += kLog ? g : g * static_cast<A>(in[0][i].v[k]);
      }
      summary.value += of_vector;
    }
  }

  template <int kVectors, int kWidth, class Window>
  __device__ Summary take(const Vector<T, kWidth> (&in)[2][kVectors], Kept<kVectors, kWidth>&,
                          const Window& window, const Lanes& lanes) const {
    Summary summary = Summary::neutral();
    add(summary, in, window);
    return Summary::across(summary, lanes);
  }

  template <class Share>
  __device__ Finish finish(const Row&, const Summary&, const Summary& of_row, const Share&) const {
    return of_row.value;
  }

  template <int kVectors, int kWidth, class Window>
  __device__ Vector<T, kWidth> from_input(Finish sum, const Vector<T, kWidth> (&in)[2][kVectors], int i,
                                          const Window&) const {
    Vector<T, kWidth> out;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const A yk = static_cast<A>(in[0][i].v[k]), g = static_cast<A>(in[1][i].v[k]);
      out.v[k] = static_cast<T>(kLog ? g - exponential(yk) * sum : yk * (g - sum));
    }
    return out;
  }
  template <int kVectors, int kWidth, class Window>
  __device__ Vector<T, kWidth> from_kept(Finish sum, const Vector<T, kWidth> (&in)[2][kVectors],
                                         const Kept<kVectors, kWidth>&, int i, const Window& window) const {
    return from_input(sum, in, i, window);
  }

  template <class Share>
  __device__ void close(const Row&, const Finish&, const Summary&, const Share&) const {}
};

}  // namespace softwarp
