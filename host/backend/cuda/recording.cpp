#include "host/backend/cuda/recording.h"

#include <utility>

namespace softwarp::cuda {
namespace {

// Between its begin and its end, what is put on the stream is recorded.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  }
  ~Capture() {
    if (stream_ == nullptr) return;
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream_, &graph);
    const Graph dropped(graph);
    cudaGetLastError();  // whatever broke the recording is under way as an exception
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  Graph end() {
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(std::exchange(stream_, nullptr), &graph);
    Graph owned(graph);
    check(status);
    return owned;
  }

 private:
  cudaStream_t stream_;
};

}  // namespace

GraphExec record(cudaStream_t stream, const std::function<void()>& work) {
  work();
  Capture capture(stream);
  work();
  const Graph graph = capture.end();
  cudaGraphExec_t made = nullptr;
  check(cudaGraphInstantiate(&made, graph.get(), 0));
  GraphExec exec(made);
  check(cudaGraphUpload(exec.get(), stream));
  return exec;
}

}  // namespace softwarp::cuda
