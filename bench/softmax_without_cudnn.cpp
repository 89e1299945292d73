#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "bench/softmax_cudnn.h"

namespace softwarp {

template <class T>
std::vector<SoftmaxRun> cudnn_ways(SoftmaxOp, const SoftmaxShape&, cudaStream_t) {
  return {};
}
template std::vector<SoftmaxRun> cudnn_ways<float>(SoftmaxOp, const SoftmaxShape&, cudaStream_t);
template std::vector<SoftmaxRun> cudnn_ways<__half>(SoftmaxOp, const SoftmaxShape&, cudaStream_t);
template std::vector<SoftmaxRun> cudnn_ways<__nv_bfloat16>(SoftmaxOp, const SoftmaxShape&, cudaStream_t);

}  // namespace softwarp
