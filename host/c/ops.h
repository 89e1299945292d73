#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "host/c/softwarp.h"
#include "kernels/cross_entropy.h"
#include "kernels/matrix_view.h"
#include "kernels/workspace.h"

// Behind softwarp.h: what each device implements, after the arguments have been checked.
namespace softwarp::c {

// Becomes SOFTWARP_UNSUPPORTED.
class Unsupported : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A matrix of a type that is known when the program runs.
struct AnyMatrix {
  softwarp_dtype dtype = SOFTWARP_FLOAT32;
  void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  template <class T>
  MatrixView<T> view() const {
    return {static_cast<T*>(data), rows, cols, stride};
  }
};

// The workspace and the stream of a call.
struct Resources {
  void* workspace;
  std::size_t workspace_bytes;
  void* stream;
};

class Ops {
 public:
  virtual void softmax(const AnyMatrix& x, const AnyMatrix& y, const Resources&) const = 0;
  virtual void log_softmax(const AnyMatrix& x, const AnyMatrix& y, const Resources&) const = 0;
  virtual void softmax_backward(const AnyMatrix& y, const AnyMatrix& dy, const AnyMatrix& dx,
                                const Resources&) const = 0;
  virtual void log_softmax_backward(const AnyMatrix& y, const AnyMatrix& dy, const AnyMatrix& dx,
                                    const Resources&) const = 0;
  virtual void softmax_jacobian(const AnyMatrix& y, const AnyMatrix& jacobian, const Resources&) const = 0;
  [[nodiscard]] virtual std::size_t cross_entropy_workspace_bytes(const AnyMatrix& logits) const = 0;
  virtual void softmax_cross_entropy(const AnyMatrix& logits, const std::int32_t* targets,
                                     const CrossEntropyOptions& options, float* losses,
                                     const AnyMatrix& dlogits, CrossEntropySums* sums,
                                     const Resources&) const = 0;

 protected:
  ~Ops() = default;
};

[[nodiscard]] const Ops& cpu_ops();
// Throws Unsupported in a build without CUDA, which links without_cuda.cpp.
[[nodiscard]] const Ops& cuda_ops();

}  // namespace softwarp::c
