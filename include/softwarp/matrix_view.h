#pragma once

/// @file
/// Views of matrices and tensors.

#include <cstdint>
#include <type_traits>

#ifdef __CUDACC__
#define SOFTWARP_HD __host__ __device__
#else
/// Marks a function that nvcc compiles for host and device; any other compiler sees plain C++.
#define SOFTWARP_HD
#endif

/// softwarp's C++ interface.
namespace softwarp {

/// A row-major matrix in memory that somebody else owns: element (i, j) is data[i * stride + j]. The stride
/// is counted in elements and is at least cols. The memory is the host's or a device's, as the function that
/// takes the view says.
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

  /// Converts to a view of const elements, as std::span does. It is a template because nvcc warns that the
  /// plain form of a view of const elements converts to itself.
  template <class U>
    requires std::is_same_v<U, const T>
  SOFTWARP_HD operator MatrixView<U>() const {
    return {data, rows, cols, stride};
  }
};

/// A matrix that is only read.
template <class T>
using ConstMatrixView = MatrixView<const T>;

/// The view of a packed matrix [rows, cols] in contiguous memory.
template <class T>
SOFTWARP_HD MatrixView<T> matrix_view(T* data, std::int64_t rows, std::int64_t cols) {
  return {data, rows, cols, cols};
}

}  // namespace softwarp
