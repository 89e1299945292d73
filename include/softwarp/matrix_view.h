#pragma once

#include <cstdint>
#include <type_traits>

// Marks a function that nvcc compiles for host and device; any other compiler sees plain C++.
#ifdef __CUDACC__
#define SOFTWARP_HD __host__ __device__
#else
#define SOFTWARP_HD
#endif

namespace softwarp {

/// A row-major matrix in memory that somebody else owns: element (i, j) is data[i * stride + j], with stride
/// >= cols, in elements. Sizes are 64-bit everywhere. The memory is the host's or a device's, as the function
/// that takes the view says.
template <class T>
struct MatrixView {
  T* data = nullptr;        ///< element (0, 0)
  std::int64_t rows = 0;    ///< rows
  std::int64_t cols = 0;    ///< elements of a row
  std::int64_t stride = 0;  ///< elements from one row's first to the next row's

  /// The first element of row i.
  SOFTWARP_HD T* row(std::int64_t i) const { return data + i * stride; }
  /// True if no gap lies between rows.
  SOFTWARP_HD bool packed() const { return stride == cols; }
  /// Elements, gaps not counted.
  SOFTWARP_HD std::int64_t size() const { return rows * cols; }

  /// MatrixView<T> reads as MatrixView<const T>, as std::span does. (A template, because nvcc warns of a
  /// conversion to itself on the plain form.)
  template <class U>
    requires std::is_same_v<U, const T>
  SOFTWARP_HD operator MatrixView<U>() const {
    return {data, rows, cols, stride};
  }
};

/// A matrix that is only read.
template <class T>
using ConstMatrixView = MatrixView<const T>;

/// A packed matrix [rows, cols] over contiguous memory.
template <class T>
SOFTWARP_HD MatrixView<T> matrix_view(T* data, std::int64_t rows, std::int64_t cols) {
  return {data, rows, cols, cols};
}

}  // namespace softwarp
