#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <vector>

#include "bench/softmax_problem.h"

namespace softwarp {

// Puts one run on the stream: packed matrices [rows, cols] on the device; x is the logits, or what the
// forward made of them, g the gradient, which forwards ignore.
using SoftmaxRun = std::function<void(const void* x, const void* g, void* out)>;

// cuDNN's ways of doing the op on rows of T (float, __half, __nv_bfloat16): it has two modes that mean the
// same here. Empty where it has no such op, and in a build without cuDNN. Throws Error if cuDNN refuses.
template <class T>
std::vector<SoftmaxRun> cudnn_ways(SoftmaxOp op, const SoftmaxShape& shape, cudaStream_t stream);

}  // namespace softwarp
