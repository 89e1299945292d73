// Allocation, copies and fills.

#include "simulator/engine/memory.h"

#include <cstring>

#include "simulator/engine/queue.h"
#include "simulator/engine/report.h"
#include "simulator/engine/sanitizer.h"
#include "simulator/engine/state.h"

using namespace softwarp::simulator;

namespace {

cudaError_t allocate_for(void** pointer, std::size_t bytes, Memory kind) {
  if (pointer == nullptr) return cudaErrorInvalidValue;
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = allocate(kind, bytes);
  if (*pointer == nullptr) return cudaErrorMemoryAllocation;
  ++state().host.allocations;
  return cudaSuccess;
}

struct Side {
  std::byte* data;
  std::size_t pitch;
  bool on_device;
  bool pinned;
};

struct Copy {
  Side to;
  Side from;
  std::size_t width;
  std::size_t height;
};

cudaError_t check_direction(const Copy& copy, cudaMemcpyKind kind) {
  if (kind == cudaMemcpyDefault) return cudaSuccess;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return copy.to.on_device == to_device && copy.from.on_device == from_device ? cudaSuccess
                                                                              : cudaErrorInvalidValue;
}

// Checks that the bytes of this row, which were valid when the copy was asked for, still are.
cudaError_t check_row(const Side& side, std::size_t row, std::size_t width) {
  const std::byte* data = side.data + row * side.pitch;
  const char* problem = nullptr;
  if (side.on_device && !contains(Memory::device, data, width)) problem = "beyond its device memory";
  if (side.pinned && !contains(Memory::pinned, data, width))
    problem = "beyond its page-locked memory, or freed";
  if (!side.on_device && !side.pinned && poisoned(data, width)) problem = "beyond its host memory, or gone";
  if (problem == nullptr) return cudaSuccess;
  report("a copy of " + std::to_string(width) + " bytes reaches " + problem);
  return cudaErrorIllegalAddress;
}

cudaError_t run_copy(const Copy& copy) {
  for (std::size_t row = 0; row < copy.height; ++row) {
    for (const Side& side : {copy.to, copy.from})
      if (const cudaError_t error = check_row(side, row, copy.width); error != cudaSuccess) return error;
    std::memmove(copy.to.data + row * copy.to.pitch, copy.from.data + row * copy.from.pitch, copy.width);
  }
  return cudaSuccess;
}

Side side_of(const void* pointer, std::size_t pitch) {
  auto* data = static_cast<std::byte*>(const_cast<void*>(pointer));
  return {data, pitch, begins_in(Memory::device, data), begins_in(Memory::pinned, data)};
}

cudaError_t queue_copy(const Copy& copy, cudaMemcpyKind kind, cudaStream_t handle) {
  CUstream_st* stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (copy.width == 0 || copy.height == 0) return cudaSuccess;
  if (copy.width > copy.to.pitch || copy.width > copy.from.pitch) return cudaErrorInvalidValue;
  if (const cudaError_t error = check_direction(copy, kind); error != cudaSuccess) return error;
  ++state().host.copies;
  state().host.copied_bytes += static_cast<std::int64_t>(copy.width * copy.height);
  return submit(*stream, [copy] { return run_copy(copy); });
}

// Waits for the copy, as the calls without Async do.
cudaError_t copy_now(const Copy& copy, cudaMemcpyKind kind) {
  ++state().host.synchronizations;
  const cudaError_t error = queue_copy(copy, kind, nullptr);
  run_until_idle(legacy_stream());
  return error;
}

cudaError_t queue_fill(void* pointer, int value, std::size_t bytes, cudaStream_t handle) {
  CUstream_st* stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  if (!begins_in(Memory::device, pointer)) return cudaErrorInvalidValue;
  return submit(*stream, [=] {
    const cudaError_t error = check_row(side_of(pointer, bytes), 0, bytes);
    if (error == cudaSuccess) std::memset(pointer, value, bytes);
    return error;
  });
}

cudaError_t free_now(void* pointer, Memory kind) {
  if (pointer == nullptr) return cudaSuccess;
  ++state().host.synchronizations;
  run_until_idle();
  return release(kind, pointer) ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  return call("cudaMalloc", CallKind::unsafe, [&] { return allocate_for(pointer, bytes, Memory::device); });
}

// The memory is there at once; that it may not be used before the stream reaches this point is not checked.
cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t handle) {
  return call("cudaMallocAsync", CallKind::plain, [&] {
    CUstream_st* stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->capture) {
      stream->capture->valid = false;  // allocation nodes are not simulated
      return cudaErrorStreamCaptureUnsupported;
    }
    return allocate_for(pointer, bytes, Memory::device);
  });
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  return call("cudaMallocHost", CallKind::unsafe,
              [&] { return allocate_for(pointer, bytes, Memory::pinned); });
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned int) {
  return call("cudaHostAlloc", CallKind::unsafe,
              [&] { return allocate_for(pointer, bytes, Memory::pinned); });
}

// Waits for the device first.
cudaError_t cudaFree(void* pointer) {
  return call("cudaFree", CallKind::release, [&] {
    if (Capture* capture = capture_in_danger()) {
      capture->valid = false;
      return cudaErrorStreamCaptureUnsupported;
    }
    return free_now(pointer, Memory::device);
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  return call("cudaFreeAsync", CallKind::release, [&] {
    CUstream_st* stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (pointer == nullptr) return cudaSuccess;
    if (!begins_in(Memory::device, pointer)) return cudaErrorInvalidValue;
    return submit(
        *stream, [=] { return release(Memory::device, pointer) ? cudaSuccess : cudaErrorInvalidValue; },
        true);
  });
}

// Does not wait: a copy that is still queued finds its memory gone.
cudaError_t cudaFreeHost(void* pointer) {
  return call("cudaFreeHost", CallKind::release, [&] {
    return pointer == nullptr || release(Memory::pinned, pointer) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call("cudaMemGetInfo", CallKind::plain, [&] {
    *total = state().device.memory;
    *free = *total - device_bytes_in_use();
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call("cudaPointerGetAttributes", CallKind::plain, [&] {
    const Side side = side_of(pointer, 0);
    *attributes = {cudaMemoryTypeUnregistered, -1, nullptr, nullptr};
    if (side.on_device) *attributes = {cudaMemoryTypeDevice, 0, side.data, nullptr};
    if (side.pinned) *attributes = {cudaMemoryTypeHost, 0, side.data, side.data};
    return cudaSuccess;
  });
}

cudaError_t cudaMemset(void* pointer, int value, std::size_t bytes) {
  return call("cudaMemset", CallKind::unsafe, [&] { return queue_fill(pointer, value, bytes, nullptr); });
}

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return call("cudaMemsetAsync", CallKind::plain, [&] { return queue_fill(pointer, value, bytes, stream); });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return call("cudaMemcpy", CallKind::unsafe,
              [&] { return copy_now({side_of(to, bytes), side_of(from, bytes), bytes, 1}, kind); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call("cudaMemcpyAsync", CallKind::plain,
              [&] { return queue_copy({side_of(to, bytes), side_of(from, bytes), bytes, 1}, kind, stream); });
}

cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                         std::size_t width, std::size_t height, cudaMemcpyKind kind) {
  return call("cudaMemcpy2D", CallKind::unsafe, [&] {
    return copy_now({side_of(to, to_pitch), side_of(from, from_pitch), width, height}, kind);
  });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return call("cudaMemcpy2DAsync", CallKind::plain, [&] {
    return queue_copy({side_of(to, to_pitch), side_of(from, from_pitch), width, height}, kind, stream);
  });
}
