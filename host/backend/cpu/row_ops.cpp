#include "host/backend/row_ops.h"

#include <string>

#include "host/backend/cpu/fork.h"
#include "host/backend/cpu/softmax.h"

namespace softwarp {
namespace {

void expect_float_or_double(const ConstAnyMatrix& m) {
  if (m.dtype != DType::float32 && m.dtype != DType::float64)
    throw Unsupported("on the CPU, dtype must be SOFTWARP_FLOAT32 or SOFTWARP_FLOAT64");
}
void expect_float(const ConstAnyMatrix& m, const char* op) {
  if (m.dtype != DType::float32)
    throw Unsupported(std::string(op) + " on the CPU: dtype must be SOFTWARP_FLOAT32");
}

class CpuRowOps final : public RowOps {
 public:
  void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y,
               const Resources&) const override {
    expect_float_or_double(x);
    cpu::forward(function, x, y);
  }
  void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx,
                const Resources&) const override {
    expect_float_or_double(y);
    cpu::backward(function, y, dy, dx);
  }
  void jacobian(const ConstAnyMatrix& y, const AnyMatrix& jacobian, const Resources&) const override {
    expect_float_or_double(y);
    cpu::jacobian(y, jacobian);
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
  cpu::prepare_for_fork();
  static const CpuRowOps ops;
  return ops;
}

}  // namespace softwarp
