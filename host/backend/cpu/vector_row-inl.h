// Rows of the softmax family: load and store any number of elements, maximum, sums.
// A sum of floats is kept in float for 16 vectors (at most 6 roundings deep), beyond that in double, so that
// its error does not grow with the row. Once for each target.
#if defined(SOFTWARP_VECTOR_ROW_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SOFTWARP_VECTOR_ROW_INL_H
#undef SOFTWARP_VECTOR_ROW_INL_H
#else
#define SOFTWARP_VECTOR_ROW_INL_H
#endif

#include <hwy/highway.h>
#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "host/backend/cpu/vector_exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// OpenMP's threads are woken for at least this many elements.
inline constexpr std::int64_t kWorthThreads = 16384;
// Longer rows are summed in parts of this size, which threads may share; the parts do not depend on them.
inline constexpr std::int64_t kPart = 65536;
// Rows of up to this many vectors are held in registers.
inline constexpr int kShortVectors = 8;

// Long rows, and too few of them to give each thread its own: then threads share a row.
inline bool few_rows(std::int64_t rows, std::int64_t cols) {
  return cols > kPart && rows < std::int64_t{2} * omp_get_max_threads();
}

// Targets whose masked loads and stores touch no memory beyond the mask; the others go through a buffer.
#if HWY_TARGET == HWY_AVX2 || !HWY_MEM_OPS_MIGHT_FAULT
inline constexpr bool kMasksMemory = true;
#else
inline constexpr bool kMasksMemory = false;
#endif

// The first n elements at p, and `fill` in the other lanes.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_first(D d, const T* p, std::size_t n, T fill) {
  if constexpr (kMasksMemory) {
    const auto mask = hn::FirstN(d, n);
    return hn::IfThenElse(mask, hn::MaskedLoad(mask, d, p), hn::Set(d, fill));
  } else {
    HWY_ALIGN T buffer[hn::MaxLanes(D())];
    hn::Store(hn::Set(d, fill), d, buffer);
    std::copy_n(p, std::min(n, hn::MaxLanes(D())), buffer);  // n is less; g++ 14 cannot know
    return hn::Load(d, buffer);
  }
}

template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store_first(hn::Vec<D> v, D d, T* p, std::size_t n) {
  if constexpr (kMasksMemory) {
    hn::BlendedStore(v, hn::FirstN(d, n), d, p);
  } else {
    HWY_ALIGN T buffer[hn::MaxLanes(D())];
    hn::Store(v, d, buffer);
    std::copy_n(buffer, std::min(n, hn::MaxLanes(D())), p);
  }
}

// v in double, its upper half, if it has one, added to its lower.
template <class D>
HWY_INLINE auto widened([[maybe_unused]] D d, hn::Vec<D> v) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return v;
  } else {
#if HWY_TARGET == HWY_SCALAR
    return hn::PromoteTo(hn::ScalableTag<double>(), v);
#else
    const hn::Half<D> half;
    const hn::Repartition<double, D> wide;
    return hn::Add(hn::PromoteTo(wide, hn::LowerHalf(half, v)), hn::PromoteTo(wide, hn::UpperHalf(half, v)));
#endif
  }
}

// Doubles as floats. Highway's makes infinity the largest number where there are no vectors.
template <class D, class V>
HWY_INLINE hn::Vec<D> narrowed(D d, V v) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(d, static_cast<float>(hn::GetLane(v)));
#else
  return hn::DemoteTo(d, v);
#endif
}

// Reductions over the lanes of many vectors cost less together: each vector leaves kLaneParts elements
// (store_lane_parts), of which load_lane_parts makes a vector of results, one for each of the vectors. `op`
// joins two vectors of any width.
#if HWY_HAVE_SCALABLE || HWY_TARGET == HWY_SCALAR
template <class T>
inline constexpr std::size_t kLaneParts = 1;

template <class D, class Op, class T = hn::TFromD<D>>
HWY_INLINE void store_lane_parts(D d, hn::Vec<D> v, Op op, T* parts) {
  HWY_ALIGN T lanes[hn::MaxLanes(D())];
  hn::Store(v, d, lanes);
  for (std::size_t i = 1; i < hn::Lanes(d); ++i) v = op(v, hn::Set(d, lanes[i]));
  *parts = hn::GetLane(v);
}
template <class D, class Op, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_lane_parts(D d, const T* parts, Op) {
  return hn::LoadU(d, parts);
}
#else
template <class T>
inline constexpr std::size_t kLaneParts = 16 / sizeof(T);

template <class D, class Op, class T = hn::TFromD<D>>
HWY_INLINE void store_lane_parts(D d, hn::Vec<D> v, Op op, T* parts) {
  if constexpr (hn::MaxLanes(D()) == kLaneParts<T>) {
    hn::StoreU(v, d, parts);
  } else {
    const hn::Half<D> half;
    store_lane_parts(half, op(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), op, parts);
  }
}
template <class D, class Op, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_lane_parts(D d, const T* parts, Op op) {
  hn::Vec<D> a, b, c, e;
  if constexpr (sizeof(T) == 8) {
    hn::LoadInterleaved2(d, parts, a, b);
    return op(a, b);
  } else {
    hn::LoadInterleaved4(d, parts, a, b, c, e);
    return op(op(a, b), op(c, e));
  }
}
#endif

// The sum over j of f(j, count), a vector made of the elements from j on: the whole of it, or the first
// count, the other lanes 0.
template <class D, class F>
HWY_INLINE double sum_vectors([[maybe_unused]] D d, std::int64_t n, F f) {
#if HWY_TARGET == HWY_SCALAR
  double total = 0;
  for (std::int64_t j = 0; j < n; ++j) total += hn::GetLane(f(j, 1));
  return total;
#else
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const hn::Repartition<double, D> wide;
  auto total = hn::Zero(wide);
  std::int64_t j = 0;
  for (; j + 16 * lanes <= n; j += 16 * lanes) {
    auto a = f(j, lanes), b = f(j + lanes, lanes), c = f(j + 2 * lanes, lanes), e = f(j + 3 * lanes, lanes);
    for (std::int64_t k = j + 4 * lanes; k < j + 16 * lanes; k += 4 * lanes) {
      a = hn::Add(a, f(k, lanes));
      b = hn::Add(b, f(k + lanes, lanes));
      c = hn::Add(c, f(k + 2 * lanes, lanes));
      e = hn::Add(e, f(k + 3 * lanes, lanes));
    }
    total = hn::Add(total, widened(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
  }
  auto rest = hn::Zero(d);
  for (; j + lanes <= n; j += lanes) rest = hn::Add(rest, f(j, lanes));
  if (j < n) rest = hn::Add(rest, f(j, n - j));
  return hn::GetLane(hn::SumOfLanes(wide, hn::Add(total, widened(d, rest))));
#endif
}

// A row's maximum, lowest() if it is all -inf, so that x - max is never -inf - -inf. NaNs may be lost here:
// they come back through the sum.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE T row_max(D d, const T* x, std::int64_t n) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto lowest = hn::Set(d, std::numeric_limits<T>::lowest());
  auto a = lowest, b = lowest, c = lowest, e = lowest;
  std::int64_t j = 0;
  for (; j + 4 * lanes <= n; j += 4 * lanes) {
    a = hn::Max(a, hn::LoadU(d, x + j));
    b = hn::Max(b, hn::LoadU(d, x + j + lanes));
    c = hn::Max(c, hn::LoadU(d, x + j + 2 * lanes));
    e = hn::Max(e, hn::LoadU(d, x + j + 3 * lanes));
  }
  for (; j + lanes <= n; j += lanes) a = hn::Max(a, hn::LoadU(d, x + j));
  if (j < n)
    b = hn::Max(b, load_first(d, x + j, static_cast<std::size_t>(n - j), std::numeric_limits<T>::lowest()));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(hn::Max(a, b), hn::Max(c, e))));
}

// The sum of exp(x - max), and the summands into y unless it is null.
template <bool kStores, class D, class T = hn::TFromD<D>>
HWY_INLINE double row_exp_sum(D d, const T* x, std::int64_t n, T max, T* y) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto m = hn::Set(d, max);
  return sum_vectors(d, n, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
    if (HWY_LIKELY(count == lanes)) {
      const auto e = vector_exp(d, hn::Sub(hn::LoadU(d, x + j), m));
      if constexpr (kStores) hn::StoreU(e, d, y + j);
      return e;
    }
    const auto first = static_cast<std::size_t>(count);
    const auto e =
        vector_exp(d, hn::Sub(load_first(d, x + j, first, -std::numeric_limits<T>::infinity()), m));
    if constexpr (kStores) store_first(e, d, y + j, first);
    return e;
  });
}

// How many elements from p on lie before the first boundary of a vector; 0 for rows too short to gain from
// it.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE std::int64_t unaligned_head([[maybe_unused]] D d, const T* p, std::int64_t n) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto past = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(p) / sizeof(T)) % lanes;
  return past != 0 && n >= 16 * lanes ? lanes - past : 0;
}

// Stores f(j, count) at y + j for each vector of a row; where `streams`, past the caches, for results that
// nobody reads soon. Stores are aligned, because one that crosses two cache lines costs as much as two.
template <class D, class F, class T = hn::TFromD<D>>
HWY_INLINE void write_row(D d, T* y, std::int64_t n, F f, bool streams = false) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t j = unaligned_head(d, y, n);
  if (j > 0) store_first(f(0, j), d, y, static_cast<std::size_t>(j));
  if (streams && reinterpret_cast<std::uintptr_t>(y + j) % (static_cast<std::size_t>(lanes) * sizeof(T)) == 0)
    for (; j + lanes <= n; j += lanes) hn::Stream(f(j, lanes), d, y + j);
  // Four loads before four stores: a store whose address ends like a later load's holds that load up.
  for (; j + 4 * lanes <= n; j += 4 * lanes) {
    const auto a = f(j, lanes), b = f(j + lanes, lanes), c = f(j + 2 * lanes, lanes),
               e = f(j + 3 * lanes, lanes);
    hn::StoreU(a, d, y + j);
    hn::StoreU(b, d, y + j + lanes);
    hn::StoreU(c, d, y + j + 2 * lanes);
    hn::StoreU(e, d, y + j + 3 * lanes);
  }
  for (; j + lanes <= n; j += lanes) hn::StoreU(f(j, lanes), d, y + j);
  if (j < n) store_first(f(j, n - j), d, y + j, static_cast<std::size_t>(n - j));
}

// count elements from p on, 0 in the other lanes.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_count(D d, const T* p, std::int64_t count) {
  if (HWY_LIKELY(count == static_cast<std::int64_t>(hn::Lanes(d)))) return hn::LoadU(d, p);
  return load_first(d, p, static_cast<std::size_t>(count), T(0));
}

// f(begin, size) for each part of a row of n elements, shared by OpenMP's threads if `shared`.
template <class F>
HWY_INLINE void for_parts(std::int64_t n, bool shared, F f) {
  if (n <= kPart) return f(std::int64_t{0}, n);
#pragma omp parallel for schedule(static) if (shared)
  for (std::int64_t begin = 0; begin < n; begin += kPart) f(begin, std::min(kPart, n - begin));
}

// The parts' f(begin, size) reduced in their order by `op`.
template <class T, class F, class Join>
HWY_INLINE T reduce_parts(std::int64_t n, bool shared, F f, Join join) {
  if (n <= kPart) return f(std::int64_t{0}, n);
  std::vector<T> parts(static_cast<std::size_t>((n + kPart - 1) / kPart));
  T* const each = parts.data();
  for_parts(n, shared,
            [=](std::int64_t begin, std::int64_t size) HWY_ATTR { each[begin / kPart] = f(begin, size); });
  T all = each[0];
  for (std::size_t i = 1; i < parts.size(); ++i) all = join(all, each[i]);
  return all;
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
