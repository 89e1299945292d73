#include "host/backend/row_ops.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <softwarp/argmax.h>
#include <softwarp/softmax.h>
#include <softwarp/softmax_axis.h>

namespace softwarp {
namespace {

// work.operator()<T>() for the type.
template <class Work>
auto for_type(DType dtype, Work work) {
  switch (dtype) {
    case DType::float64: return work.template operator()<double>();
    case DType::float16: return work.template operator()<__half>();
    case DType::bfloat16: return work.template operator()<__nv_bfloat16>();
    default: return work.template operator()<float>();
  }
}

// The sum of the targets' weights lies in front of the kernel's own workspace.
constexpr std::size_t kWeightBytes = 256;

class CudaRowOps final : public RowOps {
 public:
  void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y,
               const Resources& on) const override {
    for_type(x.dtype, [&]<class T>() {
      if (function == RowFunction::softmax)
        return softmax<T>(x.view<const T>(), y.view<T>(), on.workspace, on.stream);
      log_softmax<T>(x.view<const T>(), y.view<T>(), on.workspace, on.stream);
    });
  }
  void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx,
                const Resources& on) const override {
    for_type(y.dtype, [&]<class T>() {
      const auto from = y.view<const T>(), above = dy.view<const T>();
      if (function == RowFunction::softmax)
        return softmax_backward<T>(from, above, dx.view<T>(), on.workspace, on.stream);
      log_softmax_backward<T>(from, above, dx.view<T>(), on.workspace, on.stream);
    });
  }
  void forward_axis(RowFunction function, const AxisShape& s, const void* x, void* y,
                    const Resources& on) const override {
    for_type(s.dtype, [&]<class T>() {
      const AxisView<const T> from{static_cast<const T*>(x), s.outer, s.cols, s.inner};
      const AxisView<T> to{static_cast<T*>(y), s.outer, s.cols, s.inner};
      function == RowFunction::softmax ? softmax<T>(from, to, on.stream)
                                       : log_softmax<T>(from, to, on.stream);
    });
  }
  void backward_axis(RowFunction function, const AxisShape& s, const void* y, const void* dy, void* dx,
                     const Resources& on) const override {
    for_type(s.dtype, [&]<class T>() {
      const AxisView<const T> from{static_cast<const T*>(y), s.outer, s.cols, s.inner};
      const AxisView<const T> above{static_cast<const T*>(dy), s.outer, s.cols, s.inner};
      const AxisView<T> below{static_cast<T*>(dx), s.outer, s.cols, s.inner};
      function == RowFunction::softmax ? softmax_backward<T>(from, above, below, on.stream)
                                       : log_softmax_backward<T>(from, above, below, on.stream);
    });
  }
  void jacobian(const ConstAnyMatrix& y, const AnyMatrix& jacobian, const Resources& on) const override {
    for_type(y.dtype,
             [&]<class T>() { softmax_jacobian<T>(y.view<const T>(), jacobian.view<T>(), on.stream); });
  }

  std::size_t cross_entropy_workspace_bytes(const ConstAnyMatrix& logits) const override {
    const int size = for_type(logits.dtype, []<class T>() { return static_cast<int>(sizeof(T)); });
    return kWeightBytes + softwarp::cross_entropy_workspace_bytes(logits.rows, logits.cols, size);
  }
  void cross_entropy(const ConstAnyMatrix& logits, const std::int32_t* targets,
                     const CrossEntropyOptions& options, float* losses, const AnyMatrix& dlogits,
                     CrossEntropySums* sums, const Resources& on) const override {
    char* const workspace = static_cast<char*>(on.workspace.data);
    float* const weight = options.assume_all_valid ? nullptr : reinterpret_cast<float*>(workspace);
    if (weight != nullptr)
      cross_entropy_weight(targets, logits.rows, logits.cols, options, weight, on.stream);
    for_type(logits.dtype, [&]<class T>() {
      softmax_cross_entropy<T>(logits.view<const T>(), targets, options, weight, losses, dlogits.view<T>(),
                               sums, {workspace + kWeightBytes, on.workspace.bytes - kWeightBytes},
                               on.stream);
    });
  }
  void loss(const Loss&, const Resources&) const override {
    throw Unsupported("on a CUDA device there is softwarp_softmax_cross_entropy");
  }
  void argmax(const ConstAnyMatrix& x, std::int32_t* best, const Resources& on) const override {
    for_type(x.dtype,
             [&]<class T>() { softwarp::argmax<T>(x.view<const T>(), best, nullptr, nullptr, on.stream); });
  }
};

}  // namespace

const RowOps& cuda_row_ops() {
  static const CudaRowOps ops;
  return ops;
}

}  // namespace softwarp
