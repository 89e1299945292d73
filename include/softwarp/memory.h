#pragma once

/// @file
/// Memory of a backend, and its owners.

#include <softwarp/matrix_view.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace softwarp {

class Backend;

/// Returns memory to the backend it came from, which must outlive it.
struct ReturnMemory {
  Backend* backend = nullptr;  ///< owner of the memory
  std::int64_t bytes = 0;      ///< size of the memory
  /// Returns the memory; the pointer's destructor calls it.
  void operator()(void* memory) const noexcept;
};

/// Memory of a backend, which returns it when destroyed.
using Memory = std::unique_ptr<void, ReturnMemory>;

/// An array in a backend's memory, made by Backend::make_array, aligned to 256 bytes and zero at first. Its
/// backend must outlive it. It can be moved, not copied. The host reads it through Backend::download.
template <class T>
class Array {
 public:
  /// An array without memory.
  Array() = default;
  /// Takes over memory of `size` elements.
  Array(Memory memory, std::int64_t size) : memory_(std::move(memory)), size_(size) {}

  /// The first element, in the backend's memory.
  T* data() const { return static_cast<T*>(memory_.get()); }
  /// Elements.
  std::int64_t size() const { return size_; }

 private:
  Memory memory_;
  std::int64_t size_ = 0;
};

/// A packed row-major matrix of floats in a backend's memory, made by Backend::make_matrix. Its backend must
/// outlive it. It can be moved, not copied.
class Matrix {
 public:
  /// A matrix without memory.
  Matrix() = default;
  /// Takes over rows * cols values.
  Matrix(Array<float> values, std::int64_t rows, std::int64_t cols)
      : values_(std::move(values)), rows_(rows), cols_(cols) {}

  /// The whole matrix.
  MatrixView<float> view() const { return matrix_view(values_.data(), rows_, cols_); }
  /// The first `rows` rows.
  MatrixView<float> top(std::int64_t rows) const { return matrix_view(values_.data(), rows, cols_); }
  /// Element (0, 0), in the backend's memory.
  float* data() const { return values_.data(); }
  /// Rows.
  std::int64_t rows() const { return rows_; }
  /// Elements of a row.
  std::int64_t cols() const { return cols_; }

 private:
  Array<float> values_;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

/// A copy of bytes from the device to the host for which nobody waits. Backend::make_host_copy makes it, and
/// the backend must outlive it.
class HostCopy {
 public:
  virtual ~HostCopy() = default;
  /// Queues a copy from device memory behind all work so far. An earlier copy must have arrived. On a GPU,
  /// not within Backend::record.
  virtual void start(const void* from) = 0;
  /// True once the copy that was started last has arrived. Never waits.
  [[nodiscard]] virtual bool has_arrived() = 0;
  /// The bytes that arrived last, in the host's memory.
  virtual const void* data() const = 0;
};

}  // namespace softwarp
