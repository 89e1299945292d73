#pragma once

#include <softwarp/any_matrix.h>
#include <softwarp/backend.h>

#include <cstdint>

// The ops of softmax.h on matrices of 16-bit elements, some rows at a time: they are widened to float, the
// code of float computes, and its results are rounded once.
namespace softwarp::cpu {

void forward_half(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y);
void backward_half(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy,
                   const AnyMatrix& dx);
void jacobian_half(const ConstAnyMatrix& y, const AnyMatrix& jacobian);
void argmax_half(const ConstAnyMatrix& x, std::int32_t* best);

// Memory of at least `size` floats, which lasts until the thread's next call: a call allocates nothing that
// an earlier one of its thread has.
[[nodiscard]] float* float_buffer(std::int64_t size);
// How many rows of `cols` elements to take at a time: as many as the threads' nearest caches hold.
[[nodiscard]] std::int64_t rows_at_a_time(std::int64_t rows, std::int64_t cols);
// The `count` rows of m from `first` on to packed floats, and back.
void widen_rows(const ConstAnyMatrix& m, std::int64_t first, std::int64_t count, float* to);
void narrow_rows(const float* from, std::int64_t first, std::int64_t count, const AnyMatrix& m);

}  // namespace softwarp::cpu
