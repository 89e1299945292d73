#include "host/backend/cpu/softmax.h"

#include "host/c/ops.h"

namespace softwarp::c {
namespace {

// op.operator()<T>() of the type.
template <class Op>
void for_type(softwarp_dtype dtype, Op op) {
  switch (dtype) {
    case SOFTWARP_FLOAT32: return op.template operator()<float>();
    case SOFTWARP_FLOAT64: return op.template operator()<double>();
    default: throw Unsupported("on the CPU, dtype must be SOFTWARP_FLOAT32 or SOFTWARP_FLOAT64");
  }
}

class CpuOps final : public Ops {
 public:
  void softmax(const AnyMatrix& x, const AnyMatrix& y, const Resources&) const override {
    for_type(x.dtype, [&]<class T>() { cpu::softmax(x.view<const T>(), y.view<T>()); });
  }
  void log_softmax(const AnyMatrix& x, const AnyMatrix& y, const Resources&) const override {
    for_type(x.dtype, [&]<class T>() { cpu::log_softmax(x.view<const T>(), y.view<T>()); });
  }
  void softmax_backward(const AnyMatrix& y, const AnyMatrix& dy, const AnyMatrix& dx,
                        const Resources&) const override {
    for_type(y.dtype,
             [&]<class T>() { cpu::softmax_backward(y.view<const T>(), dy.view<const T>(), dx.view<T>()); });
  }
  void log_softmax_backward(const AnyMatrix& y, const AnyMatrix& dy, const AnyMatrix& dx,
                            const Resources&) const override {
    for_type(y.dtype, [&]<class T>() {
      cpu::log_softmax_backward(y.view<const T>(), dy.view<const T>(), dx.view<T>());
    });
  }
  void softmax_jacobian(const AnyMatrix& y, const AnyMatrix& jacobian, const Resources&) const override {
    for_type(y.dtype, [&]<class T>() { cpu::softmax_jacobian(y.view<const T>(), jacobian.view<T>()); });
  }

  std::size_t cross_entropy_workspace_bytes(const AnyMatrix& logits) const override {
    expect_float(logits);
    return 0;
  }
  void softmax_cross_entropy(const AnyMatrix& logits, const std::int32_t* targets,
                             const CrossEntropyOptions& options, float* losses, const AnyMatrix& dlogits,
                             CrossEntropySums* sums, const Resources&) const override {
    expect_float(logits);
    cpu::softmax_cross_entropy(logits.view<const float>(), targets, options, losses, dlogits.view<float>(),
                               sums);
  }

 private:
  static void expect_float(const AnyMatrix& logits) {
    if (logits.dtype != SOFTWARP_FLOAT32)
      throw Unsupported("cross-entropy on the CPU: dtype must be SOFTWARP_FLOAT32");
  }
};

}  // namespace

const Ops& cpu_ops() {
  static const CpuOps ops;
  return ops;
}

}  // namespace softwarp::c
