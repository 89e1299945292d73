#pragma once

// Streams, events and graphs: work that waits, what it waits for, and work that is only recorded.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include <cuda_runtime_types.h>

#include "simulator/device/hooks.h"

namespace softwarp::simulator {

// Done by the device, later. cudaErrorNotReady: not yet, for it waits for another process.
using Work = std::function<cudaError_t()>;

struct Operation {
  std::uint64_t id = 0;
  std::vector<std::uint64_t> after;  // operations of other streams
  Work work;
  bool even_if_lost = false;
};

struct Node {
  Work work;
  std::vector<std::size_t> after;
};

// A capture under way: its nodes, and the streams that have joined it.
struct Capture {
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  CUstream_st* origin = nullptr;
  bool valid = true;
  std::vector<Node> nodes;
  std::set<CUstream_st*> streams;
};

// Adds work to the stream, or to the graph that the stream records.
cudaError_t submit(CUstream_st& stream, Work work, bool even_if_lost = false);

// The same for a library, which stays within these parts of device memory.
cudaError_t queue_library_work(const char* what, cudaStream_t stream, const std::vector<Extent>& touched,
                               Work work);

// Runs work, in an order drawn among the streams, until that operation (every operation of the stream, of
// the device) is done.
void run_until_done(std::uint64_t operation);
void run_until_idle(const CUstream_st& stream);
void run_until_idle();
// Runs one operation, as time passing would, or finds it not ready; false if there is none.
bool run_one();
// The host is in one of the calls that return once the device is done.
bool host_is_blocked();
bool is_done(std::uint64_t operation);

CUstream_st& legacy_stream();
// Null if there is no such stream; the null handle is the legacy default stream.
CUstream_st* find_stream(cudaStream_t handle);
// The capture that calls of kind `unsafe` would break, or null.
Capture* capture_in_danger();

// Takes the stream from the program; its work still runs.
void abandon_stream(CUstream_st& stream);
void forget_all_work();

}  // namespace softwarp::simulator

struct CUstream_st {
  bool blocking = true;  // ordered against the legacy default stream
  std::deque<softwarp::simulator::Operation> pending;
  std::uint64_t last = 0;  // the newest operation
  std::shared_ptr<softwarp::simulator::Capture> capture;
  std::vector<std::size_t> tail;  // the nodes that the next one comes after
};

struct CUevent_st {
  bool timed = true;
  std::uint64_t operation = 0;  // 0: never recorded, which counts as done
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
  std::shared_ptr<softwarp::simulator::Capture> capture;  // recorded in this capture, after these nodes
  std::vector<std::size_t> nodes;
};

struct CUgraph_st {
  std::vector<softwarp::simulator::Node> nodes;
};

struct CUgraphExec_st {
  std::shared_ptr<const std::vector<softwarp::simulator::Node>> nodes;
};
