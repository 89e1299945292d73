// exp of a vector, once for each target. No include guard but Highway's, which lets each target in once.
#if defined(SOFTWARP_VECTOR_EXP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SOFTWARP_VECTOR_EXP_INL_H
#undef SOFTWARP_VECTOR_EXP_INL_H
#else
#define SOFTWARP_VECTOR_EXP_INL_H
#endif

#include <hwy/highway.h>
//
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// exp(x) for x <= 88: 2^n 2^r with n = round(x log2(e)) and 2^r a polynomial on [-1/2, 1/2], minimax in
// relative error with p(0) = 1 (so that exp(0) is 1), coefficients rounded to float: within 1.7 * 2^-24.
// With its rounding, and |x| 2^-26 for log2(e)'s, the relative error stays below (4 + |x|/2) 2^-24 where
// there are fused multiply-adds and (4 + 2|x|) 2^-24 where not. Below ln(2^-126) the result is 0. NaN passes.
template <class D, hwy::EnableIf<sizeof(hn::TFromD<D>) == 4>* = nullptr>
HWY_INLINE hn::Vec<D> vector_exp(D d, hn::Vec<D> x) {
  using V = hn::Vec<D>;
  const hn::RebindToUnsigned<D> bits;
  const V log2e = hn::Set(d, 0x1.715476p+0f);
  // Adding 1.5 * 2^23 rounds to an integer in the lowest bits; 127 more makes it a biased exponent.
  const V magic = hn::Set(d, 0x1.8p23f + 127.0f);
  const V shifted = hn::MulAdd(x, log2e, magic);
  const V r = hn::MulSub(x, log2e, hn::Sub(shifted, magic));
  V p = hn::Set(d, 0x1.5bba14p-10f);
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.3cea84p-7f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.c6b746p-5f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.ebf9bep-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.62e42ap-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  // A product, not an addition to p's exponent, which would turn some NaNs into numbers.
  const V scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(bits, shifted)));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.33654f)), hn::Mul(p, scale));
}

// Highway's, which returns 0 for NaN, with NaN passed on.
template <class D, hwy::EnableIf<sizeof(hn::TFromD<D>) == 8>* = nullptr>
HWY_INLINE hn::Vec<D> vector_exp(D d, hn::Vec<D> x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x));
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
