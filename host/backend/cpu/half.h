#pragma once

#include <softwarp/any_matrix.h>

#include <cstdint>

// 16-bit numbers to float and back, on every machine to the same bits: Highway's own conversions to bfloat16
// cut off in some releases, and those to float16 differ where the machine has none.
namespace softwarp::cpu {

// n elements of float16 or bfloat16 as floats, which is exact.
void widen(DType dtype, const std::uint16_t* from, std::int64_t n, float* to);
// n floats rounded to the nearest of float16 or bfloat16, ties to even.
void narrow(DType dtype, const float* from, std::int64_t n, std::uint16_t* to);

}  // namespace softwarp::cpu
