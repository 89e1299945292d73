// cudnnSoftmaxForward and cudnnSoftmaxBackward over a tensor of rows x cols x 1 x 1, where softmax per
// instance and per channel are the same.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cudnn.h>

#include <memory>
#include <string>

#include "bench/softmax_cudnn.h"
#include "host/backend/cuda/handles.h"

namespace softwarp {
namespace {

using Cudnn = cuda::Handle<cudnnHandle_t, cudnnDestroy>;
using Tensor = cuda::Handle<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;

void check(cudnnStatus_t status) {
  if (status != CUDNN_STATUS_SUCCESS) throw Error(std::string("cuDNN: ") + cudnnGetErrorString(status));
}

template <class Owner, class Create>
Owner made_by(Create create) {
  typename Owner::pointer handle = nullptr;
  check(create(&handle));
  return Owner(handle);
}

template <class T>
constexpr cudnnDataType_t kType = CUDNN_DATA_FLOAT;
template <>
constexpr cudnnDataType_t kType<__half> = CUDNN_DATA_HALF;
template <>
constexpr cudnnDataType_t kType<__nv_bfloat16> = CUDNN_DATA_BFLOAT16;

}  // namespace

template <class T>
std::vector<SoftmaxRun> cudnn_ways(SoftmaxOp op, const SoftmaxShape& shape, cudaStream_t stream) {
  if (op == SoftmaxOp::cross_entropy) return {};
  struct Plan {
    Cudnn library = made_by<Cudnn>(cudnnCreate);
    Tensor tensor = made_by<Tensor>(cudnnCreateTensorDescriptor);
  };
  const auto plan = std::make_shared<Plan>();
  check(cudnnSetStream(plan->library.get(), stream));
  check(cudnnSetTensor4dDescriptor(plan->tensor.get(), CUDNN_TENSOR_NCHW, kType<T>,
                                   static_cast<int>(shape.rows), static_cast<int>(shape.cols), 1, 1));
  const bool log = op == SoftmaxOp::log_softmax || op == SoftmaxOp::log_softmax_backward;
  const cudnnSoftmaxAlgorithm_t algorithm = log ? CUDNN_SOFTMAX_LOG : CUDNN_SOFTMAX_ACCURATE;
  std::vector<SoftmaxRun> ways;
  for (const cudnnSoftmaxMode_t mode : {CUDNN_SOFTMAX_MODE_INSTANCE, CUDNN_SOFTMAX_MODE_CHANNEL})
    ways.push_back([=](const void* x, const void* g, void* out) {
      const float one = 1, zero = 0;
      const auto library = plan->library.get();
      const auto tensor = plan->tensor.get();
      check(
          is_backward(op)
              ? cudnnSoftmaxBackward(library, algorithm, mode, &one, tensor, x, tensor, g, &zero, tensor, out)
              : cudnnSoftmaxForward(library, algorithm, mode, &one, tensor, x, &zero, tensor, out));
    });
  return ways;
}
template std::vector<SoftmaxRun> cudnn_ways<float>(SoftmaxOp, const SoftmaxShape&, cudaStream_t);
template std::vector<SoftmaxRun> cudnn_ways<__half>(SoftmaxOp, const SoftmaxShape&, cudaStream_t);
template std::vector<SoftmaxRun> cudnn_ways<__nv_bfloat16>(SoftmaxOp, const SoftmaxShape&, cudaStream_t);

}  // namespace softwarp
