#pragma once

// Parts of every function of softwarp.h: checks of what a stranger's call may get wrong, and the choice of
// the device.

#include <softwarp/error.h>
#include <softwarp/softwarp.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "host/backend/row_ops.h"
#include "host/c/answer.h"

namespace softwarp::c {

inline constexpr std::size_t kWorkspaceAlignment = 16;

inline const RowOps& ops_of(softwarp_device device) {
  demand_device(device);
  return device == SOFTWARP_CPU ? cpu_row_ops() : cuda_row_ops();
}

inline std::size_t size_of(softwarp_dtype dtype) {
  switch (dtype) {
    case SOFTWARP_FLOAT32: return 4;
    case SOFTWARP_FLOAT64: return 8;
    case SOFTWARP_FLOAT16:
    case SOFTWARP_BFLOAT16: return 2;
    default: throw std::invalid_argument("expected a dtype of softwarp.h, found " + std::to_string(dtype));
  }
}

// Checks that hold for all matrices of a call.
struct Shape {
  softwarp_dtype dtype;
  std::int64_t rows;
  std::int64_t cols;

  Shape(softwarp_dtype type, std::int64_t r, std::int64_t c) : dtype(type), rows(r), cols(c) {
    size_of(dtype);
    demand_at_least("rows", rows, 0);
    demand_at_least("cols", cols, 1);
  }

  AnyMatrix matrix(const std::string& name, const void* data, std::int64_t stride) const {
    const std::size_t size = size_of(dtype);
    demand_at_least(name + "_stride", stride, cols);
    demand(rows <= std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(size) / stride,
           name + " of less than 2^63 bytes");
    if (rows > 0) demand_memory(name, data, size);
    return {static_cast<DType>(dtype), const_cast<void*>(data), rows, cols, stride};
  }
};

// A range of addresses; empty if there is nothing in it.
struct Bytes {
  std::uintptr_t first = 0;
  std::uintptr_t last = 0;

  Bytes(const void* data, std::int64_t size)
      : first(reinterpret_cast<std::uintptr_t>(data)),
        last(data == nullptr ? first : first + static_cast<std::uintptr_t>(size)) {}
  // From the first element to the last, with what lies between the rows.
  explicit Bytes(const AnyMatrix& m)
      : Bytes(m.data, m.rows == 0
                          ? 0
                          : ((m.rows - 1) * m.stride + m.cols) *
                                static_cast<std::int64_t>(size_of(static_cast<softwarp_dtype>(m.dtype)))) {}

  bool overlaps(const Bytes& other) const {
    return first < last && other.first < other.last && first < other.last && other.first < last;
  }
};

inline void demand_apart(const Bytes& in, const Bytes& out, const char* result) {
  demand(!in.overlaps(out), std::string(result) + " in memory that no input shares");
}

// Columns of one matrix that interleave with another's rows share no element, though their ranges overlap.
inline bool interleaves(const AnyMatrix& a, const AnyMatrix& b) {
  if (a.stride != b.stride) return false;
  const auto size = size_of(static_cast<softwarp_dtype>(a.dtype));
  const auto pitch = static_cast<std::uintptr_t>(a.stride) * size,
             width = static_cast<std::uintptr_t>(a.cols) * size;
  const auto first = reinterpret_cast<std::uintptr_t>(a.data),
             second = reinterpret_cast<std::uintptr_t>(b.data);
  const std::uintptr_t shift = (first < second ? second - first : first - second) % pitch;
  return shift >= width && pitch - shift >= width;
}

// The result lies where the input does, with its stride, or shares nothing with it.
inline void demand_one_layout(const AnyMatrix& in, const AnyMatrix& out) {
  if (in.data == nullptr || out.data == nullptr) return;
  if (in.data == out.data) return demand(in.stride == out.stride, "one stride of matrices in one memory");
  if (!interleaves(in, out)) demand_apart(Bytes(in), Bytes(out), "a result in the input's memory, or");
}

// The logits of a cross-entropy, and the gradient if it is wanted.
struct Logits {
  AnyMatrix from, to;

  Logits(const Shape& shape, const void* logits, std::int64_t stride, void* dlogits,
         std::int64_t dlogits_stride) {
    demand(shape.cols <= std::numeric_limits<std::int32_t>::max(), "classes of 31 bits");
    from = shape.matrix("logits", logits, stride);
    if (dlogits != nullptr) to = shape.matrix("dlogits", dlogits, dlogits_stride);
    demand_one_layout(from, to);
  }
};

inline Resources resources(void* workspace, std::size_t bytes, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  if (workspace == nullptr) return {{}, on};
  demand_memory("workspace", workspace, kWorkspaceAlignment);
  return {{workspace, bytes}, on};
}

}  // namespace softwarp::c
