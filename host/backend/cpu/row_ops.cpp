#include "host/backend/row_ops.h"

#include "host/backend/cpu/axis.h"
#include "host/backend/cpu/fork.h"
#include "host/backend/cpu/loss.h"
#include "host/backend/cpu/softmax.h"

namespace softwarp {
namespace {

void expect_float(const ConstAnyMatrix& m) {
  if (m.dtype != DType::float32)
    throw Unsupported("on the CPU, dtype must be SOFTWARP_FLOAT32 (softwarp_cross_entropy takes all)");
}

class CpuRowOps final : public RowOps {
 public:
  void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y,
               const Resources&) const override {
    cpu::forward(function, x, y);
  }
  void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx,
                const Resources&) const override {
    cpu::backward(function, y, dy, dx);
  }
  void forward_axis(RowFunction function, const AxisShape& shape, const void* x, void* y,
                    const Resources&) const override {
    cpu::forward_axis(function, shape, x, y);
  }
  void backward_axis(RowFunction function, const AxisShape& shape, const void* y, const void* dy, void* dx,
                     const Resources&) const override {
    cpu::backward_axis(function, shape, y, dy, dx);
  }
  void jacobian(const ConstAnyMatrix& y, const AnyMatrix& jacobian, const Resources&) const override {
    cpu::jacobian(y, jacobian);
  }

  std::size_t cross_entropy_workspace_bytes(const ConstAnyMatrix& logits) const override {
    expect_float(logits);
    return 0;
  }
  void cross_entropy(const ConstAnyMatrix& logits, const std::int32_t* targets,
                     const CrossEntropyOptions& options, float* losses, const AnyMatrix& dlogits,
                     CrossEntropySums* sums, const Resources&) const override {
    expect_float(logits);
    cpu::softmax_cross_entropy(logits.view<const float>(), targets, options, losses, dlogits.view<float>(),
                               sums);
  }
  void loss(const Loss& loss, const Resources&) const override { cpu::cross_entropy(loss); }
  void argmax(const ConstAnyMatrix& x, std::int32_t* best, const Resources&) const override {
    cpu::argmax(x, best);
  }
};

}  // namespace

const RowOps& cpu_row_ops() {
  cpu::prepare_for_fork();
  static const CpuRowOps ops;
  return ops;
}

}  // namespace softwarp
