#pragma once

// Numbers as kernels compute with them: float for types of 16 and 32 bits, double for double.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <limits>
#include <type_traits>

namespace softwarp {

template <class T>
using Accumulate = std::conditional_t<std::is_same_v<T, double>, double, float>;

// One ex2 and a product; its error, 2^-22 and |x| 2^-24 relative, is a term of the bounds that the tests
// hold.
__device__ __forceinline__ float exp_fast(float x) { return __expf(x); }
__device__ __forceinline__ double exp_fast(double x) { return exp(x); }
// 1 / x for normal x, one Newton step from the hardware's guess: as exact as a division, without the code
// that a division has for numbers that never come here. Of 0 it is NaN.
__device__ __forceinline__ float reciprocal(float x) {
  const float guess = __fdividef(1.0f, x);
  return fmaf(guess, fmaf(-x, guess, 1.0f), guess);
}
__device__ __forceinline__ double reciprocal(double x) { return 1 / x; }
template <class A>
__device__ __forceinline__ bool is_finite(A x) {
  return x - x == 0;
}
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ double logarithm(double x) { return log(x); }

template <class A>
inline constexpr A kLowest = std::numeric_limits<A>::lowest();
template <class A>
inline constexpr A kInfinity = std::numeric_limits<A>::infinity();
template <class A>
inline constexpr A kNan = std::numeric_limits<A>::quiet_NaN();

}  // namespace softwarp
