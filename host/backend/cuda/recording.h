#pragma once

#include <functional>

#include "host/backend/cuda/handles.h"

namespace softwarp::cuda {

// Runs `work`, then records what it puts on the stream as a graph. The first run loads kernels and lets
// cuBLASLt choose and load its own, which drivers older than CUDA 12.3 refuse while a stream captures. If
// `work` throws, so does this, and the stream does not capture.
[[nodiscard]] GraphExec record(cudaStream_t stream, const std::function<void()>& work);

}  // namespace softwarp::cuda
