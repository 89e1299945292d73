#pragma once

/// @file
/// Matrices whose element type is known when the program runs.

#include <softwarp/matrix_view.h>

#include <cstdint>
#include <type_traits>

namespace softwarp {

/// Types of elements. The C interface gives them the same numbers (softwarp_dtype).
enum class DType {
  float32,  ///< float
  float64,  ///< double
  float16,  ///< IEEE binary16, CUDA's __half
  bfloat16  ///< bfloat16, CUDA's __nv_bfloat16
};

/// The DType of T, which is float or double.
template <class T>
inline constexpr DType kDType = DType::float32;
/// The DType of double.
template <>
inline constexpr DType kDType<double> = DType::float64;

/// A MatrixView that carries its element type as a value. V is void, or const void for a matrix that is only
/// read. It owns no memory.
template <class V>
struct BasicAnyMatrix {
  DType dtype = DType::float32;  ///< type of the elements
  V* data = nullptr;             ///< element (0, 0)
  std::int64_t rows = 0;         ///< rows
  std::int64_t cols = 0;         ///< elements of a row
  std::int64_t stride = 0;       ///< elements from one row's first to the next row's

  /// No matrix: no memory, no rows, no columns.
  BasicAnyMatrix() = default;
  /// A matrix from its parts.
  BasicAnyMatrix(DType type, V* memory, std::int64_t row_count, std::int64_t col_count,
                 std::int64_t row_stride)
      : dtype(type), data(memory), rows(row_count), cols(col_count), stride(row_stride) {}
  /// A view of float or double.
  template <class T>
    requires std::is_same_v<std::remove_const_t<T>, float> || std::is_same_v<std::remove_const_t<T>, double>
  BasicAnyMatrix(const MatrixView<T>& m)
      : BasicAnyMatrix(kDType<std::remove_const_t<T>>, m.data, m.rows, m.cols, m.stride) {}
  /// A matrix to write converts to one to read.
  template <class W>
    requires std::is_same_v<W, void> && std::is_const_v<V>
  BasicAnyMatrix(const BasicAnyMatrix<W>& m) : BasicAnyMatrix(m.dtype, m.data, m.rows, m.cols, m.stride) {}

  /// The view of elements that the caller knows to be T. The type is not checked.
  template <class T>
  MatrixView<T> view() const {
    return {static_cast<T*>(data), rows, cols, stride};
  }
};

/// A matrix to write.
using AnyMatrix = BasicAnyMatrix<void>;
/// A matrix that is only read.
using ConstAnyMatrix = BasicAnyMatrix<const void>;

}  // namespace softwarp
