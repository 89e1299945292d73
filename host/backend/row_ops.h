#pragma once

#include <softwarp/any_matrix.h>
#include <softwarp/backend.h>
#include <softwarp/cross_entropy.h>
#include <softwarp/error.h>
#include <softwarp/workspace.h>

#include <cstddef>
#include <cstdint>

namespace softwarp {

// The device, or this build, has no such op for elements of such a type.
class Unsupported : public Error {
 public:
  using Error::Error;
};

// The workspace and the stream of a call; the CPU uses neither.
struct Resources {
  Workspace workspace;
  cudaStream_t stream = nullptr;
};

// A packed tensor [outer, cols, inner], for functions of its middle axis.
struct AxisShape {
  DType dtype;
  std::int64_t outer, cols, inner;

  [[nodiscard]] std::int64_t size() const { return outer * cols * inner; }
};

// How the rows' losses are reduced. The C interface gives them the same numbers.
enum class Reduction { none, sum, mean };

// The arguments of softwarp_cross_entropy.
struct Loss {
  ConstAnyMatrix logits;
  const std::int64_t* targets;
  const void* class_weights;  // float, or double for logits of double; may be null
  double label_smoothing;
  std::int64_t ignore_index;
  Reduction reduction;
  const void* dloss;  // may be null
  void* loss;
  AnyMatrix dlogits;  // data may be null
};

// The ops on rows of one device, for elements of every type that it has: one table for Backend and for the C
// interface, which check shapes. Contracts as in <softwarp/backend.h>.
class RowOps {
 public:
  // The workspace splits long rows, and is optional.
  virtual void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y,
                       const Resources& on) const = 0;
  virtual void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy,
                        const AnyMatrix& dx, const Resources& on) const = 0;
  virtual void forward_axis(RowFunction function, const AxisShape& shape, const void* x, void* y,
                            const Resources& on) const = 0;
  virtual void backward_axis(RowFunction function, const AxisShape& shape, const void* y, const void* dy,
                             void* dx, const Resources& on) const = 0;
  virtual void jacobian(const ConstAnyMatrix& y, const AnyMatrix& jacobian, const Resources& on) const = 0;

  // Zeroed before its first use.
  [[nodiscard]] virtual std::size_t cross_entropy_workspace_bytes(const ConstAnyMatrix& logits) const = 0;
  virtual void cross_entropy(const ConstAnyMatrix& logits, const std::int32_t* targets,
                             const CrossEntropyOptions& options, float* losses, const AnyMatrix& dlogits,
                             CrossEntropySums* sums, const Resources& on) const = 0;
  virtual void loss(const Loss& loss, const Resources& on) const = 0;
  virtual void argmax(const ConstAnyMatrix& x, std::int32_t* best, const Resources& on) const = 0;

 protected:
  ~RowOps() = default;
};

[[nodiscard]] const RowOps& cpu_row_ops();
// Throws Unsupported in a build without CUDA, which links host/c/without_cuda.cpp.
[[nodiscard]] const RowOps& cuda_row_ops();

}  // namespace softwarp
