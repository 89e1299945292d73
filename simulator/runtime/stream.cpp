// Streams and events.

#include "simulator/engine/queue.h"
#include "simulator/engine/state.h"

using namespace softwarp::simulator;

namespace {

using Clock = std::chrono::steady_clock;

cudaError_t wait_on_event(CUstream_st& stream, const CUevent_st& event) {
  if (event.capture) {  // the event was recorded in a graph: the stream joins it
    if (!event.capture->valid) return cudaErrorStreamCaptureInvalidated;
    if (!event.capture->origin) return cudaErrorCapturedEvent;
    if (stream.capture && stream.capture != event.capture) return cudaErrorStreamCaptureMerge;
    stream.capture = event.capture;
    stream.capture->streams.insert(&stream);
    stream.tail.insert(stream.tail.end(), event.nodes.begin(), event.nodes.end());
    return cudaSuccess;
  }
  if (stream.capture) {
    stream.capture->valid = false;
    return cudaErrorStreamCaptureIsolation;
  }
  const cudaError_t error = submit(stream, [] { return cudaSuccess; });
  if (error == cudaSuccess) stream.pending.back().after.push_back(event.operation);
  return error;
}

cudaError_t record(CUevent_st& event, CUstream_st& stream) {
  if (stream.capture) {
    if (!stream.capture->valid) return cudaErrorStreamCaptureInvalidated;
    event.capture = stream.capture;
    event.nodes = stream.tail;
    return cudaSuccess;
  }
  event.capture.reset();
  event.time = std::make_shared<Clock::time_point>();
  const cudaError_t error = submit(stream, [time = event.time] {
    *time = Clock::now();
    return cudaSuccess;
  });
  event.operation = stream.last;
  return error;
}

// Streams that capture may not be waited for.
cudaError_t check_not_capturing(const CUstream_st& stream) {
  if (!stream.capture) return cudaSuccess;
  stream.capture->valid = false;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t check_not_captured(const CUevent_st& event) {
  if (!event.capture) return cudaSuccess;
  event.capture->valid = false;
  return cudaErrorCapturedEvent;
}

// A query lets a little time pass, or whoever polls would wait for ever.
cudaError_t query(std::uint64_t operation) {
  if (is_done(operation)) return cudaSuccess;
  run_one();
  return is_done(operation) ? cudaSuccess : cudaErrorNotReady;
}

template <class Body>
cudaError_t stream_call(const char* name, CallKind kind, cudaStream_t handle, Body&& body) {
  return call(name, kind, [&] {
    CUstream_st* stream = find_stream(handle);
    return stream == nullptr ? cudaErrorInvalidResourceHandle : body(*stream);
  });
}

template <class Body>
cudaError_t event_call(const char* name, CallKind kind, cudaEvent_t event, Body&& body) {
  return call(name, kind, [&] { return is_object(event) ? body(*event) : cudaErrorInvalidResourceHandle; });
}

}  // namespace

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return call("cudaStreamCreateWithFlags", CallKind::plain, [&] {
    *stream = make_object<CUstream_st>("stream");
    (*stream)->blocking = (flags & cudaStreamNonBlocking) == 0;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return call("cudaStreamDestroy", CallKind::release, [&] {
    if (!is_object(handle)) return cudaErrorInvalidResourceHandle;
    if (handle->capture) {
      handle->capture->valid = false;
      handle->capture->streams.erase(handle);
    }
    abandon_stream(*handle);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return stream_call("cudaStreamSynchronize", CallKind::plain, handle, [](CUstream_st& stream) {
    if (const cudaError_t error = check_not_capturing(stream); error != cudaSuccess) return error;
    ++state().host.synchronizations;
    run_until_idle(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return stream_call("cudaStreamQuery", CallKind::plain, handle, [](CUstream_st& stream) {
    const cudaError_t error = check_not_capturing(stream);
    return error != cudaSuccess ? error : query(stream.last);
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned int) {
  return stream_call("cudaStreamWaitEvent", CallKind::plain, handle, [&](CUstream_st& stream) {
    return is_object(event) ? wait_on_event(stream, *event) : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  return call("cudaEventCreateWithFlags", CallKind::plain, [&] {
    *event = make_object<CUevent_st>("event");
    (*event)->timed = (flags & cudaEventDisableTiming) == 0;
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return event_call("cudaEventDestroy", CallKind::release, event, [](CUevent_st& e) {
    objects().erase(&e);
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return stream_call("cudaEventRecord", CallKind::plain, handle, [&](CUstream_st& stream) {
    return is_object(event) ? record(*event, stream) : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return event_call("cudaEventQuery", CallKind::plain, event, [](CUevent_st& e) {
    const cudaError_t error = check_not_captured(e);
    return error != cudaSuccess ? error : query(e.operation);
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return event_call("cudaEventSynchronize", CallKind::plain, event, [](CUevent_st& e) {
    if (const cudaError_t error = check_not_captured(e); error != cudaSuccess) return error;
    ++state().host.synchronizations;
    run_until_done(e.operation);
    return cudaSuccess;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call("cudaEventElapsedTime", CallKind::plain, [&] {
    for (const cudaEvent_t event : {start, end}) {
      if (!is_object(event) || !event->timed || event->operation == 0) return cudaErrorInvalidResourceHandle;
      if (!is_done(event->operation)) return cudaErrorNotReady;
    }
    *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
    return cudaSuccess;
  });
}
