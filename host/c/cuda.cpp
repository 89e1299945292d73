#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "host/c/ops.h"
#include "kernels/softmax.h"
#include "kernels/softmax_cross_entropy.h"

namespace softwarp::c {
namespace {

// op.operator()<T>() of the type.
template <class Op>
auto for_type(softwarp_dtype dtype, Op op) {
  switch (dtype) {
    case SOFTWARP_FLOAT64: return op.template operator()<double>();
    case SOFTWARP_FLOAT16: return op.template operator()<__half>();
    case SOFTWARP_BFLOAT16: return op.template operator()<__nv_bfloat16>();
    default: return op.template operator()<float>();
  }
}

cudaStream_t stream_of(const Resources& on) { return static_cast<cudaStream_t>(on.stream); }
Workspace split_of(const Resources& on) { return {on.workspace, on.workspace_bytes}; }

// The sum of the targets' weights lies in front of what the kernel itself asks for.
constexpr std::size_t kWeightBytes = 256;

class CudaOps final : public Ops {
 public:
  void softmax(const AnyMatrix& x, const AnyMatrix& y, const Resources& on) const override {
    for_type(x.dtype, [&]<class T>() {
      softwarp::softmax<T>(x.view<const T>(), y.view<T>(), split_of(on), stream_of(on));
    });
  }
  void log_softmax(const AnyMatrix& x, const AnyMatrix& y, const Resources& on) const override {
    for_type(x.dtype, [&]<class T>() {
      softwarp::log_softmax<T>(x.view<const T>(), y.view<T>(), split_of(on), stream_of(on));
    });
  }
  void softmax_backward(const AnyMatrix& y, const AnyMatrix& dy, const AnyMatrix& dx,
                        const Resources& on) const override {
    for_type(y.dtype, [&]<class T>() {
      softwarp::softmax_backward<T>(y.view<const T>(), dy.view<const T>(), dx.view<T>(), split_of(on),
                                    stream_of(on));
    });
  }
  void log_softmax_backward(const AnyMatrix& y, const AnyMatrix& dy, const AnyMatrix& dx,
                            const Resources& on) const override {
    for_type(y.dtype, [&]<class T>() {
      softwarp::log_softmax_backward<T>(y.view<const T>(), dy.view<const T>(), dx.view<T>(), split_of(on),
                                        stream_of(on));
    });
  }
  void softmax_jacobian(const AnyMatrix& y, const AnyMatrix& jacobian, const Resources& on) const override {
    for_type(y.dtype, [&]<class T>() {
      softwarp::softmax_jacobian<T>(y.view<const T>(), jacobian.view<T>(), stream_of(on));
    });
  }

  std::size_t cross_entropy_workspace_bytes(const AnyMatrix& logits) const override {
    const int size = for_type(logits.dtype, []<class T>() { return static_cast<int>(sizeof(T)); });
    return kWeightBytes + softwarp::cross_entropy_workspace_bytes(logits.rows, logits.cols, size);
  }
  void softmax_cross_entropy(const AnyMatrix& logits, const std::int32_t* targets,
                             const CrossEntropyOptions& options, float* losses, const AnyMatrix& dlogits,
                             CrossEntropySums* sums, const Resources& on) const override {
    char* const workspace = static_cast<char*>(on.workspace);
    float* const weight = reinterpret_cast<float*>(workspace);
    cross_entropy_weight(targets, logits.rows, logits.cols, options, weight, stream_of(on));
    for_type(logits.dtype, [&]<class T>() {
      softwarp::softmax_cross_entropy<T>(
          logits.view<const T>(), targets, options, weight, losses, dlogits.view<T>(), sums,
          {workspace + kWeightBytes, on.workspace_bytes - kWeightBytes}, stream_of(on));
    });
  }
};

}  // namespace

const Ops& cuda_ops() {
  static const CudaOps ops;
  return ops;
}

}  // namespace softwarp::c
