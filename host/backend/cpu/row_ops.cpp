#include "host/backend/row_ops.h"

#include "host/backend/cpu/softmax.h"

namespace softwarp {
namespace {

// work.operator()<T>() for the type.
template <class Work>
void for_type(DType dtype, Work work) {
  switch (dtype) {
    case DType::float32: return work.template operator()<float>();
    case DType::float64: return work.template operator()<double>();
    default: throw Unsupported("on the CPU, dtype must be SOFTWARP_FLOAT32 or SOFTWARP_FLOAT64");
  }
}

void expect_float(const ConstAnyMatrix& m, const char* op) {
  if (m.dtype != DType::float32)
    throw Unsupported(std::string(op) + " on the CPU: dtype must be SOFTWARP_FLOAT32");
}

class CpuRowOps final : public RowOps {
 public:
  void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y,
               const Resources&) const override {
    for_type(x.dtype, [&]<class T>() {
      if (function == RowFunction::softmax) return cpu::softmax(x.view<const T>(), y.view<T>());
      cpu::log_softmax(x.view<const T>(), y.view<T>());
    });
  }
  void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx,
                const Resources&) const override {
    for_type(y.dtype, [&]<class T>() {
      const auto from = y.view<const T>(), above = dy.view<const T>();
      if (function == RowFunction::softmax) return cpu::softmax_backward(from, above, dx.view<T>());
      cpu::log_softmax_backward(from, above, dx.view<T>());
    });
  }
  void jacobian(const ConstAnyMatrix& y, const AnyMatrix& jacobian, const Resources&) const override {
    for_type(y.dtype, [&]<class T>() { cpu::softmax_jacobian(y.view<const T>(), jacobian.view<T>()); });
  }

  std::size_t cross_entropy_workspace_bytes(const ConstAnyMatrix& logits) const override {
    expect_float(logits, "cross-entropy");
    return 0;
  }
  void cross_entropy(const ConstAnyMatrix& logits, const std::int32_t* targets,
                     const CrossEntropyOptions& options, float* losses, const AnyMatrix& dlogits,
                     CrossEntropySums* sums, const Resources&) const override {
    expect_float(logits, "cross-entropy");
    cpu::softmax_cross_entropy(logits.view<const float>(), targets, options, losses, dlogits.view<float>(),
                               sums);
  }
  void argmax(const ConstAnyMatrix& x, std::int32_t* best, const Resources&) const override {
    expect_float(x, "argmax");
    cpu::argmax(x.view<const float>(), best);
  }
};

}  // namespace

const RowOps& cpu_row_ops() {
  static const CpuRowOps ops;
  return ops;
}

}  // namespace softwarp
