// The backward of softmax and log_softmax, and softmax's Jacobian. With y = softmax(x), J_ij = y_i (delta_ij
// - y_j), so the gradient J dy is y ⊙ (dy - <dy, y>): two passes over a row instead of a matrix.

#include "host/backend/cpu/half_rows.h"
#include "host/backend/cpu/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/softmax_backward.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include "host/backend/cpu/vector_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Results larger than this bypass the caches, which saves reading them first: with y and dy they would not
// fit into the 32 MiB that a server's cores share.
inline constexpr std::int64_t kStreamedBytes = 10 << 20;

template <bool kLog, class D>
HWY_INLINE hn::Vec<D> summand(D, hn::Vec<D> y, hn::Vec<D> dy) {
  return kLog ? dy : hn::Mul(dy, y);
}

template <bool kLog, class D>
HWY_INLINE hn::Vec<D> gradient(D d, hn::Vec<D> y, hn::Vec<D> dy, hn::Vec<D> sum) {
  if constexpr (kLog) return hn::NegMulAdd(vector_exp(d, y), sum, dy);
  return hn::Mul(y, hn::Sub(dy, sum));
}

// A row of kVectors vectors, the last of which holds `last` elements.
template <int kVectors, bool kLog, class D, class T = hn::TFromD<D>>
HWY_INLINE void short_row(D d, const T* y, const T* dy, std::size_t last, T* dx) {
  using V = hn::Vec<D>;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t tail = (kVectors - 1) * lanes;
  V a[kVectors], b[kVectors];
  for (int k = 0; k + 1 < kVectors; ++k) {
    a[k] = hn::LoadU(d, y + static_cast<std::size_t>(k) * lanes);
    b[k] = hn::LoadU(d, dy + static_cast<std::size_t>(k) * lanes);
  }
  a[kVectors - 1] = load_first(d, y + tail, last, T(0));
  b[kVectors - 1] = load_first(d, dy + tail, last, T(0));
  V sum = hn::Zero(d);
  for (int k = 0; k < kVectors; ++k) sum = hn::Add(sum, summand<kLog>(d, a[k], b[k]));
  sum = hn::SumOfLanes(d, sum);
  for (int k = 0; k < kVectors; ++k) a[k] = gradient<kLog>(d, a[k], b[k], sum);
  for (int k = 0; k + 1 < kVectors; ++k) hn::StoreU(a[k], d, dx + static_cast<std::size_t>(k) * lanes);
  store_first(a[kVectors - 1], d, dx + tail, last);
}

template <bool kLog, class D, class T = hn::TFromD<D>>
HWY_INLINE void long_row(D d, const T* y, const T* dy, std::int64_t n, T* dx, bool shared, bool streams) {
  const double sum = reduce_parts<double>(
      n, shared,
      [=](std::int64_t from, std::int64_t size) HWY_ATTR {
        return sum_vectors(d, size, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
          return summand<kLog>(d, load_count(d, y + from + j, count), load_count(d, dy + from + j, count));
        });
      },
      [](double a, double b) { return a + b; });
  const auto s = hn::Set(d, static_cast<T>(sum));
  for_parts(n, shared, [=](std::int64_t from, std::int64_t size) HWY_ATTR {
    write_row(
        d, dx + from, size,
        [=](std::int64_t j, std::int64_t count) HWY_ATTR {
          return gradient<kLog>(d, load_count(d, y + from + j, count), load_count(d, dy + from + j, count),
                                s);
        },
        streams);
  });
}

template <int kVectors, bool kLog, class T>
HWY_NOINLINE void short_rows(ConstMatrixView<T> y, ConstMatrixView<T> dy, MatrixView<T> dx) {
  const hn::ScalableTag<T> d;
  const std::size_t last = static_cast<std::size_t>(y.cols) - (kVectors - 1) * hn::Lanes(d);
#pragma omp parallel for schedule(static) if (y.size() >= kWorthThreads)
  for (std::int64_t r = 0; r < y.rows; ++r)
    short_row<kVectors, kLog>(d, y.row(r), dy.row(r), last, dx.row(r));
}

template <bool kLog, class T>
void backward(ConstMatrixView<T> y, ConstMatrixView<T> dy, MatrixView<T> dx) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  switch ((y.cols + lanes - 1) / lanes) {
    case 1: return short_rows<1, kLog>(y, dy, dx);
    case 2: return short_rows<2, kLog>(y, dy, dx);
    case 3: return short_rows<3, kLog>(y, dy, dx);
    case 4: return short_rows<4, kLog>(y, dy, dx);
    case 5: return short_rows<5, kLog>(y, dy, dx);
    case 6: return short_rows<6, kLog>(y, dy, dx);
    case 7: return short_rows<7, kLog>(y, dy, dx);
    case 8: return short_rows<8, kLog>(y, dy, dx);
    default: break;
  }
  const bool share_rows = few_rows(y.rows, y.cols);
  // In place the lines are in the cache already.
  const bool streams = y.size() * static_cast<std::int64_t>(sizeof(T)) > kStreamedBytes &&
                       dx.data != y.data && dx.data != dy.data;
#pragma omp parallel for schedule(static) if (!share_rows && y.size() >= kWorthThreads)
  for (std::int64_t r = 0; r < y.rows; ++r)
    long_row<kLog>(d, y.row(r), dy.row(r), y.cols, dx.row(r), share_rows, streams);
  if (streams) hwy::FlushStream();
}

template <class T>
void jacobian(ConstMatrixView<T> y, MatrixView<T> all) {
  const hn::ScalableTag<T> d;
#pragma omp parallel for schedule(static) if (all.size() >= kWorthThreads)
  for (std::int64_t row = 0; row < all.rows; ++row) {
    const std::int64_t i = row % y.cols;
    const T* const s = y.row(row / y.cols);
    T* const j_row = all.row(row);
    const auto minus = hn::Set(d, -s[i]);
    write_row(d, j_row, y.cols, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
      return hn::Mul(minus, load_count(d, s + j, count));
    });
    j_row[i] = s[i] * (1 - s[i]);
  }
}

template <class T>
void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx) {
  function == RowFunction::softmax ? backward<false>(y.view<const T>(), dy.view<const T>(), dx.view<T>())
                                   : backward<true>(y.view<const T>(), dy.view<const T>(), dx.view<T>());
}

void Backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx) {
  y.dtype == DType::float32 ? backward<float>(function, y, dy, dx) : backward<double>(function, y, dy, dx);
}
void Jacobian(const ConstAnyMatrix& y, const AnyMatrix& all) {
  y.dtype == DType::float32 ? jacobian(y.view<const float>(), all.view<float>())
                            : jacobian(y.view<const double>(), all.view<double>());
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(Backward);
HWY_EXPORT(Jacobian);

void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx) {
  y.dtype == DType::float32 || y.dtype == DType::float64 ? HWY_DYNAMIC_DISPATCH(Backward)(function, y, dy, dx)
                                                         : backward_half(function, y, dy, dx);
}
void jacobian(const ConstAnyMatrix& y, const AnyMatrix& jacobian) {
  y.dtype == DType::float32 || y.dtype == DType::float64 ? HWY_DYNAMIC_DISPATCH(Jacobian)(y, jacobian)
                                                         : jacobian_half(y, jacobian);
}

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
