#include "simulator/engine/queue.h"

#include <unistd.h>

#include <algorithm>

#include "simulator/engine/memory.h"
#include "simulator/engine/random.h"
#include "simulator/engine/state.h"

namespace softwarp::simulator {

namespace {

std::uint64_t operations_made = 0;
int blocked = 0;  // calls of the host
auto& not_done = *new std::set<std::uint64_t>;

// Streams that were destroyed before their work was done.
auto& orphans = *new std::vector<std::shared_ptr<void>>;

std::vector<CUstream_st*> all_streams() {
  std::erase_if(orphans,
                [](const auto& orphan) { return static_cast<CUstream_st*>(orphan.get())->pending.empty(); });
  std::vector<CUstream_st*> streams{&legacy_stream()};
  for (const auto& orphan : orphans) streams.push_back(static_cast<CUstream_st*>(orphan.get()));
  for (const auto& [handle, object] : objects())
    if (std::string_view(object.kind) == "stream")
      streams.push_back(static_cast<CUstream_st*>(object.value.get()));
  return streams;
}

// The legacy default stream waits for all blocking streams, and they wait for it.
std::vector<std::uint64_t> legacy_dependencies(const CUstream_st& stream) {
  if (&stream != &legacy_stream())
    return stream.blocking ? std::vector{legacy_stream().last} : std::vector<std::uint64_t>{};
  std::vector<std::uint64_t> after;
  for (const CUstream_st* other : all_streams())
    if (other->blocking) after.push_back(other->last);
  return after;
}

bool can_run(const CUstream_st& stream) {
  return !stream.pending.empty() && std::ranges::all_of(stream.pending.front().after, is_done);
}

cudaError_t record(CUstream_st& stream, Work work) {
  Capture& capture = *stream.capture;
  if (!capture.valid) return cudaErrorStreamCaptureInvalidated;
  capture.nodes.push_back({std::move(work), stream.tail});
  stream.tail = {capture.nodes.size() - 1};
  return cudaSuccess;
}

}  // namespace

cudaError_t submit(CUstream_st& stream, Work work, bool even_if_lost) {
  if (stream.capture) return record(stream, std::move(work));
  if (&stream == &legacy_stream())
    for (const CUstream_st* other : all_streams())
      if (other->capture && other->blocking) {
        other->capture->valid = false;
        return cudaErrorStreamCaptureImplicit;
      }
  Operation operation{++operations_made, legacy_dependencies(stream), std::move(work), even_if_lost};
  stream.last = operation.id;
  not_done.insert(operation.id);
  stream.pending.push_back(std::move(operation));
  return cudaSuccess;
}

bool is_done(std::uint64_t operation) { return !not_done.contains(operation); }

bool run_one() {
  std::vector<CUstream_st*> candidates;
  for (CUstream_st* stream : all_streams())
    if (can_run(*stream)) candidates.push_back(stream);
  if (candidates.empty()) return false;
  CUstream_st& stream = *candidates[draw(static_cast<std::uint32_t>(candidates.size()))];
  const Operation& operation = stream.pending.front();
  if (state().lost == cudaSuccess || operation.even_if_lost) {
    const DeviceAtWork device;
    const cudaError_t result = operation.work();
    if (result == cudaErrorNotReady) {
      usleep(20);  // another process may need the core to arrive
      return true;
    }
    if (state().lost == cudaSuccess) state().lost = result;
  }
  not_done.erase(operation.id);
  stream.pending.pop_front();
  return true;
}

void run_until_done(std::uint64_t operation) {
  const DeviceAtWork device;
  ++blocked;
  while (!is_done(operation) && run_one()) {
  }
  --blocked;
}

void run_until_idle(const CUstream_st& stream) { run_until_done(stream.last); }

void run_until_idle() {
  const DeviceAtWork device;
  ++blocked;
  while (run_one()) {
  }
  --blocked;
}

bool host_is_blocked() { return blocked > 0; }

CUstream_st& legacy_stream() {
  static auto& stream = *new CUstream_st;
  return stream;
}

CUstream_st* find_stream(cudaStream_t handle) {
  if (handle == nullptr) return &legacy_stream();
  return is_object(handle) ? handle : nullptr;
}

Capture* capture_in_danger() {
  for (const CUstream_st* stream : all_streams())
    if (stream->capture && stream->capture->mode != cudaStreamCaptureModeRelaxed)
      return stream->capture.get();
  return nullptr;
}

void abandon_stream(CUstream_st& stream) {
  const auto found = objects().find(&stream);
  orphans.push_back(std::move(found->second.value));
  objects().erase(found);
}

void forget_all_work() {
  orphans.clear();
  legacy_stream() = {};
  not_done.clear();
}

}  // namespace softwarp::simulator
