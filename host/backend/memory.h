#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/matrix_view.h"

namespace softwarp {

class Backend;

// Returns memory to the backend it came from. The backend must outlive it.
struct ReturnMemory {
  Backend* backend = nullptr;
  std::int64_t bytes = 0;
  void operator()(void* memory) const noexcept;
};

using Memory = std::unique_ptr<void, ReturnMemory>;

// An array in a backend's memory, aligned to 256 bytes and set to zero when made. Made by
// Backend::make_array; move-only. The host may look into it only through Backend::download.
template <class T>
class Array {
 public:
  Array() = default;
  Array(Memory memory, std::int64_t size) : memory_(std::move(memory)), size_(size) {}

  T* data() const { return static_cast<T*>(memory_.get()); }
  std::int64_t size() const { return size_; }

 private:
  Memory memory_;
  std::int64_t size_ = 0;
};

// A packed row-major matrix in a backend's memory. Made by Backend::make_matrix; move-only.
class Matrix {
 public:
  Matrix() = default;
  Matrix(Array<float> values, std::int64_t rows, std::int64_t cols)
      : values_(std::move(values)), rows_(rows), cols_(cols) {}

  MatrixView<float> view() const { return matrix_view(values_.data(), rows_, cols_); }
  // The first `rows` rows.
  MatrixView<float> top(std::int64_t rows) const { return matrix_view(values_.data(), rows, cols_); }
  float* data() const { return values_.data(); }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }

 private:
  Array<float> values_;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

// Copies bytes from the device to the host without waiting. Made by Backend::make_host_copy, which must
// outlive it.
class HostCopy {
 public:
  virtual ~HostCopy() = default;
  // Queues a copy from device memory behind all work so far. Not while an earlier one is on its way.
  virtual void start(const void* from) = 0;
  // True once the copy that was started last has arrived. Never waits.
  [[nodiscard]] virtual bool has_arrived() = 0;
  // The bytes that arrived last.
  virtual const void* data() const = 0;
};

}  // namespace softwarp
