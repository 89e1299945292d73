#pragma once

#include <functional>

#include "host/backend/cuda/handles.h"

namespace softwarp::cuda {

// The work that `work` puts on the stream, as a graph; nothing of it runs. If `work` throws, so does this,
// and the stream is as it was.
GraphExec record(cudaStream_t stream, const std::function<void()>& work);

}  // namespace softwarp::cuda
