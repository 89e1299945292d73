// Capture into graphs, and their replay.

#include <algorithm>

#include "simulator/engine/queue.h"
#include "simulator/engine/random.h"
#include "simulator/engine/state.h"

using namespace softwarp::simulator;

namespace {

using Nodes = std::vector<Node>;

// True if every node comes before the end of the stream that began the capture. A node comes after earlier
// ones only, so one pass backwards finds all that do.
bool joined(const Capture& capture) {
  std::vector<bool> reached(capture.nodes.size());
  for (const auto node : capture.origin->tail) reached[node] = true;
  for (auto i = capture.nodes.size(); i-- > 0;)
    if (reached[i])
      for (const auto earlier : capture.nodes[i].after) reached[earlier] = true;
  return std::ranges::all_of(reached, [](bool r) { return r; });
}

void leave_capture(const Capture& capture) {
  for (CUstream_st* stream : std::set(capture.streams)) {
    stream->capture.reset();
    stream->tail.clear();
  }
}

// Every node after those it depends on, otherwise in random order. Of nodes that wait for another process the
// graph goes on with the others, and returns cudaErrorNotReady when all that are left wait.
cudaError_t replay(const Nodes& nodes, std::vector<bool>& done) {
  std::set<std::size_t> waiting;
  for (;;) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (!done[i] && !waiting.contains(i) &&
          std::ranges::all_of(nodes[i].after, [&](std::size_t before) { return done[before]; }))
        ready.push_back(i);
    if (ready.empty()) return waiting.empty() ? cudaSuccess : cudaErrorNotReady;
    const std::size_t next = ready[draw(static_cast<std::uint32_t>(ready.size()))];
    const cudaError_t error = nodes[next].work();
    if (error == cudaErrorNotReady) {
      waiting.insert(next);
      continue;
    }
    if (error != cudaSuccess) return error;
    done[next] = true;
  }
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call("cudaStreamBeginCapture", CallKind::plain, [&] {
    if (handle == nullptr) return cudaErrorStreamCaptureUnsupported;
    if (!is_object(handle)) return cudaErrorInvalidResourceHandle;
    if (handle->capture) return cudaErrorIllegalState;
    handle->capture = std::make_shared<Capture>();
    handle->capture->mode = mode;
    handle->capture->origin = handle;
    handle->capture->streams = {handle};
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call("cudaStreamEndCapture", CallKind::release, [&] {
    *graph = nullptr;
    if (!is_object(handle)) return cudaErrorInvalidResourceHandle;
    if (!handle->capture) return cudaErrorIllegalState;
    const auto capture = handle->capture;
    if (capture->origin != handle) {
      capture->valid = false;
      return cudaErrorStreamCaptureUnmatched;
    }
    const bool complete = joined(*capture);
    leave_capture(*capture);
    capture->origin = nullptr;
    if (!capture->valid) return cudaErrorStreamCaptureInvalidated;
    if (!complete) return cudaErrorStreamCaptureUnjoined;
    *graph = make_object<CUgraph_st>("graph");
    (*graph)->nodes = std::move(capture->nodes);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call("cudaStreamIsCapturing", CallKind::plain, [&] {
    const CUstream_st* stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    *status = !stream->capture         ? cudaStreamCaptureStatusNone
              : stream->capture->valid ? cudaStreamCaptureStatusActive
                                       : cudaStreamCaptureStatusInvalidated;
    return cudaSuccess;
  });
}

// Tells how many nodes there are; it does not hand them out.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  return call("cudaGraphGetNodes", CallKind::plain, [&] {
    if (!is_object(graph)) return cudaErrorInvalidResourceHandle;
    if (nodes != nullptr) return cudaErrorNotSupported;
    *count = graph->nodes.size();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return call("cudaGraphInstantiate", CallKind::plain, [&] {
    if (!is_object(graph)) return cudaErrorInvalidResourceHandle;
    *exec = make_object<CUgraphExec_st>("executable graph");
    (*exec)->nodes = std::make_shared<const Nodes>(graph->nodes);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return call("cudaGraphUpload", CallKind::plain, [&] {
    return is_object(exec) && find_stream(stream) != nullptr ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t handle) {
  return call("cudaGraphLaunch", CallKind::plain, [&] {
    CUstream_st* stream = find_stream(handle);
    if (!is_object(exec) || stream == nullptr) return cudaErrorInvalidResourceHandle;
    ++state().host.graph_launches;
    return submit(*stream, [nodes = exec->nodes, done = std::vector<bool>(exec->nodes->size())]() mutable {
      return replay(*nodes, done);
    });
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call("cudaGraphDestroy", CallKind::release,
              [&] { return objects().erase(graph) == 1 ? cudaSuccess : cudaErrorInvalidResourceHandle; });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call("cudaGraphExecDestroy", CallKind::release,
              [&] { return objects().erase(exec) == 1 ? cudaSuccess : cudaErrorInvalidResourceHandle; });
}
