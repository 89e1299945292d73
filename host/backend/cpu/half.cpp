// float16 (1 sign bit, 5 bits of exponent, 10 of fraction) and bfloat16 (a float's upper half), by integer
// arithmetic on the bits, so that nothing depends on a mode in which the caller has put the processor.

#include "host/backend/cpu/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/half.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include "host/backend/cpu/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Ints = hn::RebindToSigned<Floats>;
using Halves = hn::Rebind<std::uint16_t, Floats>;
using Bits = hn::Vec<Ints>;

constexpr std::int32_t kExponentStep = 1 << 23;          // of a float
constexpr std::int32_t kInfinity = 255 << 23;            // a float's
constexpr std::int32_t kHalfInfinity = 31 << 10;         // a float16's
constexpr std::int32_t kRebias = 127 - 15;               // a float's exponents less a float16's
constexpr std::int32_t kLeastNormal = 113 << 23;         // 2^-14, float16's least normal number, as a float
constexpr std::int32_t kPastLargest = (127 + 16) << 23;  // 2^16 as a float

HWY_INLINE Bits set(std::int32_t bits) { return hn::Set(Ints(), bits); }
HWY_INLINE hn::Vec<Floats> as_float(Bits bits) { return hn::BitCast(Floats(), bits); }
HWY_INLINE Bits as_bits(hn::Vec<Floats> v) { return hn::BitCast(Ints(), v); }

struct Float16 {
  static HWY_INLINE hn::Vec<Floats> widen(Bits half) {
    const auto sign = hn::ShiftLeft<16>(hn::And(half, set(0x8000)));
    const auto bits = hn::ShiftLeft<13>(hn::And(half, set(0x7fff)));
    const auto exponent = hn::And(bits, set(kHalfInfinity << 13));
    const auto normal = hn::Add(bits, set(kRebias * kExponentStep));
    const auto special = hn::Add(normal, set(kRebias * kExponentStep));  // infinity and NaN
    // 2^-14 (1 + f) - 2^-14 = 2^-14 f
    const auto subnormal =
        as_bits(hn::Sub(as_float(hn::Add(bits, set(kLeastNormal))), as_float(set(kLeastNormal))));
    const auto finite = hn::IfThenElse(hn::Eq(exponent, set(0)), subnormal, normal);
    return as_float(
        hn::Or(sign, hn::IfThenElse(hn::Eq(exponent, set(kHalfInfinity << 13)), special, finite)));
  }

  static HWY_INLINE Bits narrow(hn::Vec<Floats> v) {
    const auto bits = as_bits(v);
    const auto sign = hn::And(hn::ShiftRight<16>(bits), set(0x8000));
    const auto size = hn::And(bits, set(0x7fffffff));
    const auto odd = hn::And(hn::ShiftRight<13>(size), set(1));
    // A carry out of the fraction belongs into the exponent, up to infinity.
    const auto normal = hn::ShiftRight<13>(hn::Add(hn::Add(size, set(0xfff - kRebias * kExponentStep)), odd));
    // Beside 0.5 a float's last bit is 2^-24, float16's least number: the sum is rounded there.
    const auto half = hn::Set(Floats(), 0.5f);
    const auto subnormal = hn::Sub(as_bits(hn::Add(as_float(size), half)), as_bits(half));
    auto result = hn::IfThenElse(hn::Lt(size, set(kLeastNormal)), subnormal, normal);
    result = hn::IfThenElse(hn::Lt(size, set(kPastLargest)), result, set(kHalfInfinity));
    result = hn::IfThenElse(hn::Gt(size, set(kInfinity)), set(kHalfInfinity | 1 << 9), result);  // NaN
    return hn::Or(sign, result);
  }
};

struct Bfloat16 {
  static HWY_INLINE hn::Vec<Floats> widen(Bits half) { return as_float(hn::ShiftLeft<16>(half)); }

  static HWY_INLINE Bits narrow(hn::Vec<Floats> v) {
    const auto bits = as_bits(v);
    const auto upper = hn::And(hn::ShiftRight<16>(bits), set(0xffff));
    const auto rounded = hn::Add(hn::Add(bits, set(0x7fff)), hn::And(upper, set(1)));
    const auto is_nan = hn::Gt(hn::And(bits, set(0x7fffffff)), set(kInfinity));
    return hn::IfThenElse(is_nan, hn::Or(upper, set(1 << 6)),
                          hn::And(hn::ShiftRight<16>(rounded), set(0xffff)));
  }
};

template <class Type>
void widen(const std::uint16_t* from, std::int64_t n, float* to) {
  const std::int64_t lanes = lanes_of(Floats());
  for (std::int64_t j = 0; j < n; j += lanes) {
    const auto half = load_partial(Halves(), from + j, n - j);
    store_partial(Floats(), Type::widen(hn::PromoteTo(Ints(), half)), to + j, n - j);
  }
}

template <class Type>
void narrow(const float* from, std::int64_t n, std::uint16_t* to) {
  const std::int64_t lanes = lanes_of(Floats());
  for (std::int64_t j = 0; j < n; j += lanes) {
    const auto half = Type::narrow(load_partial(Floats(), from + j, n - j));
    store_partial(Halves(), hn::DemoteTo(Halves(), half), to + j, n - j);
  }
}

void Widen(DType dtype, const std::uint16_t* from, std::int64_t n, float* to) {
  dtype == DType::float16 ? widen<Float16>(from, n, to) : widen<Bfloat16>(from, n, to);
}
void Narrow(DType dtype, const float* from, std::int64_t n, std::uint16_t* to) {
  dtype == DType::float16 ? narrow<Float16>(from, n, to) : narrow<Bfloat16>(from, n, to);
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(Widen);
HWY_EXPORT(Narrow);

void widen(DType dtype, const std::uint16_t* from, std::int64_t n, float* to) {
  HWY_DYNAMIC_DISPATCH(Widen)(dtype, from, n, to);
}
void narrow(DType dtype, const float* from, std::int64_t n, std::uint16_t* to) {
  HWY_DYNAMIC_DISPATCH(Narrow)(dtype, from, n, to);
}

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
