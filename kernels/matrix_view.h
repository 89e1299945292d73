#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/host_device.h"

namespace softwarp {

// A row-major matrix that somebody else owns: element (i, j) is data[i * stride + j], stride >= cols.
// Sizes are 64-bit everywhere; whoever needs fewer bits narrows in one place.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  SOFTWARP_HD T* row(std::int64_t i) const { return data + i * stride; }
  SOFTWARP_HD bool packed() const { return stride == cols; }
  SOFTWARP_HD std::int64_t size() const { return rows * cols; }

  // MatrixView<T> reads as MatrixView<const T>, as std::span does. (A template, because nvcc warns of
  // a conversion to itself on the plain form.)
  template <class U>
    requires std::is_same_v<U, const T>
  SOFTWARP_HD operator MatrixView<U>() const {
    return {data, rows, cols, stride};
  }
};

template <class T>
using ConstMatrixView = MatrixView<const T>;

// A packed matrix over contiguous memory.
template <class T>
SOFTWARP_HD MatrixView<T> matrix_view(T* data, std::int64_t rows, std::int64_t cols) {
  return {data, rows, cols, cols};
}

}  // namespace softwarp
