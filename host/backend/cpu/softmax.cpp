// softmax and log_softmax of each row: max, exp and sum, scale. Rows that fit a few registers are read and
// written once; longer ones are passed over three times, which the cache makes cheaper than a running
// rescale.

#include "host/backend/cpu/softmax.h"
#include "host/backend/cpu/half_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include <cmath>

#include "host/backend/cpu/vector_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A row of kVectors vectors, the last of which holds `last` elements.
template <int kVectors, bool kLog, class D, class T = hn::TFromD<D>>
HWY_INLINE void short_row(D d, const T* x, std::size_t last, T* y) {
  using V = hn::Vec<D>;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t tail = (kVectors - 1) * lanes;
  V v[kVectors];
  for (int k = 0; k + 1 < kVectors; ++k) v[k] = hn::LoadU(d, x + static_cast<std::size_t>(k) * lanes);
  v[kVectors - 1] = load_first(d, x + tail, last, -std::numeric_limits<T>::infinity());

  V most = hn::Set(d, std::numeric_limits<T>::lowest());
  for (int k = 0; k < kVectors; ++k) most = hn::Max(most, v[k]);
  const V max = hn::MaxOfLanes(d, most);
  V sum = hn::Zero(d);
  for (int k = 0; k < kVectors; ++k) {
    v[k] = hn::Sub(v[k], max);
    const V e = vector_exp(d, v[k]);
    if constexpr (!kLog) v[k] = e;
    sum = hn::Add(sum, e);
  }
  sum = hn::SumOfLanes(d, sum);
  const V scale = kLog ? hn::Set(d, std::log(hn::GetLane(sum))) : hn::Div(hn::Set(d, T(1)), sum);
  for (int k = 0; k < kVectors; ++k) v[k] = kLog ? hn::Sub(v[k], scale) : hn::Mul(v[k], scale);
  for (int k = 0; k + 1 < kVectors; ++k) hn::StoreU(v[k], d, y + static_cast<std::size_t>(k) * lanes);
  store_first(v[kVectors - 1], d, y + tail, last);
}

template <bool kLog, class D, class T = hn::TFromD<D>>
HWY_INLINE void long_row(D d, const T* x, std::int64_t n, T* y, bool shared) {
  const T max = reduce_parts<T>(
      n, shared, [=](std::int64_t from, std::int64_t size) HWY_ATTR { return row_max(d, x + from, size); },
      [](T a, T b) { return a > b ? a : b; });
  const double sum = reduce_parts<double>(
      n, shared,
      [=](std::int64_t from, std::int64_t size)
          HWY_ATTR { return row_exp_sum<!kLog>(d, x + from, size, max, y + from); },
      [](double a, double b) { return a + b; });
  if constexpr (kLog) {
    const auto m = hn::Set(d, max), log_sum = hn::Set(d, static_cast<T>(std::log(sum)));
    for_parts(n, shared, [=](std::int64_t from, std::int64_t size) HWY_ATTR {
      write_row(d, y + from, size, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
        return hn::Sub(hn::Sub(load_count(d, x + from + j, count), m), log_sum);
      });
    });
  } else {
    const auto scale = hn::Set(d, static_cast<T>(1 / sum));
    for_parts(n, shared, [=](std::int64_t from, std::int64_t size) HWY_ATTR {
      write_row(d, y + from, size, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
        return hn::Mul(load_count(d, y + from + j, count), scale);
      });
    });
  }
}

template <int kVectors, bool kLog, class T>
HWY_NOINLINE void short_rows(ConstMatrixView<T> x, MatrixView<T> y) {
  const hn::ScalableTag<T> d;
  const std::size_t last = static_cast<std::size_t>(x.cols) - (kVectors - 1) * hn::Lanes(d);
#pragma omp parallel for schedule(static) if (x.size() >= kWorthThreads)
  for (std::int64_t r = 0; r < x.rows; ++r) short_row<kVectors, kLog>(d, x.row(r), last, y.row(r));
}

template <bool kLog, class T>
void forward(ConstMatrixView<T> x, MatrixView<T> y) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  switch ((x.cols + lanes - 1) / lanes) {
    case 1: return short_rows<1, kLog>(x, y);
    case 2: return short_rows<2, kLog>(x, y);
    case 3: return short_rows<3, kLog>(x, y);
    case 4: return short_rows<4, kLog>(x, y);
    case 5: return short_rows<5, kLog>(x, y);
    case 6: return short_rows<6, kLog>(x, y);
    case 7: return short_rows<7, kLog>(x, y);
    case 8: return short_rows<8, kLog>(x, y);
    default: break;
  }
  const bool share_rows = few_rows(x.rows, x.cols);
#pragma omp parallel for schedule(static) if (!share_rows && x.size() >= kWorthThreads)
  for (std::int64_t r = 0; r < x.rows; ++r) long_row<kLog>(d, x.row(r), x.cols, y.row(r), share_rows);
}

template <class T>
void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y) {
  function == RowFunction::softmax ? forward<false>(x.view<const T>(), y.view<T>())
                                   : forward<true>(x.view<const T>(), y.view<T>());
}

void Forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y) {
  x.dtype == DType::float32 ? forward<float>(function, x, y) : forward<double>(function, x, y);
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(Forward);

void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y) {
  x.dtype == DType::float32 || x.dtype == DType::float64 ? HWY_DYNAMIC_DISPATCH(Forward)(function, x, y)
                                                         : forward_half(function, x, y);
}

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
