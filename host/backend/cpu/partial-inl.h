// Loads and stores of fewer elements than a vector has, which touch no byte beyond them on any target
// (Highway's MaskedLoad may, below AVX2). Included once for each target.

#if defined(SOFTWARP_PARTIAL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SOFTWARP_PARTIAL_INL_H
#undef SOFTWARP_PARTIAL_INL_H
#else
#define SOFTWARP_PARTIAL_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
constexpr std::int64_t lanes_of(D d) {
  return static_cast<std::int64_t>(hn::Lanes(d));
}

// n >= the number of lanes means a whole vector; missing lanes are zero.
template <class D, class T = hn::TFromD<D>>
hn::Vec<D> load_partial(D d, const T* from, std::int64_t n) {
  if (n >= lanes_of(d)) return hn::LoadU(d, from);
  HWY_ALIGN T buffer[hn::MaxLanes(D())] = {};
  std::memcpy(buffer, from, static_cast<std::size_t>(n) * sizeof(T));
  return hn::Load(d, buffer);
}

template <class D, class T = hn::TFromD<D>>
void store_partial(D d, hn::Vec<D> v, T* to, std::int64_t n) {
  if (n >= lanes_of(d)) return hn::StoreU(v, d, to);
  HWY_ALIGN T buffer[hn::MaxLanes(D())];
  hn::Store(v, d, buffer);
  std::memcpy(to, buffer, static_cast<std::size_t>(n) * sizeof(T));
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
