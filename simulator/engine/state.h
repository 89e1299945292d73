#pragma once

// The simulated device, and its history since the last reset.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulator/simulator.h"

namespace softwarp::simulator {

// A kernel's attributes, which are asked for once, and its counters.
struct KernelEntry {
  std::map<int, std::size_t> most_dynamic_shared;  // by device, where cudaFuncSetAttribute has set it
  bool large_clusters = false;
  bool loaded = false;
  KernelRun run;  // without its name
};

struct State {
  Device device;
  int current_device = 0;
  cudaError_t lost = cudaSuccess;  // why the context is lost: every call says so from then on
  cudaError_t last_error = cudaSuccess;
  std::vector<std::string> errors;
  std::map<const void*, KernelEntry> kernels;
  std::map<std::string, std::int64_t, std::less<>> calls;
  HostCounters host;
  Ranges ranges;
  std::vector<std::string> open_ranges;  // the innermost last
  std::optional<Fault> fault;
  std::string fault_hit;
  std::map<cublasLtEpilogue_t, Refusal> refused_epilogues;
  std::set<std::string, std::less<>> loaded;  // what libraries have used
};
State& state();

KernelEntry& kernel_entry(const void* kernel);

// How much dynamic shared memory a launch of it may ask for on the current device.
std::size_t most_dynamic_shared(const void* kernel);
// The compute capability that device code was compiled for, such as 90.
int compiled_for();

// The device's number on its machine, if CUDA_VISIBLE_DEVICES shows the process only some.
int physical_device(int device);

// A first use loads code, which drivers may refuse while a stream captures.
cudaError_t load_kernel(const void* kernel);
cudaError_t load_from_library(const std::string& what);

// Everything that has a handle. A handle that is not here is no longer, or never was, valid.
struct Object {
  const char* kind;
  std::shared_ptr<void> value;
};
std::map<const void*, Object>& objects();

template <class T>
T* make_object(const char* kind) {
  auto value = std::make_shared<T>();
  T* const handle = value.get();
  objects()[handle] = {kind, std::move(value)};
  return handle;
}
inline bool is_object(const void* handle) { return objects().contains(handle); }

// How a call of the runtime stands to graph capture, to faults and to lost contexts.
enum class CallKind {
  plain,
  unsafe,   // forbidden while a stream captures
  release,  // happens even if it reports an error
};

// The frame of every function of the runtime: counts it, lets it fail, and remembers what it returns.
cudaError_t begin_call(const char* name, CallKind kind);
cudaError_t end_call(cudaError_t result);

template <class Body>
cudaError_t call(const char* name, CallKind kind, Body&& body) {
  const cudaError_t refused = begin_call(name, kind);
  if (refused != cudaSuccess && kind != CallKind::release) return end_call(refused);
  const cudaError_t result = body();
  return end_call(refused != cudaSuccess ? refused : result);
}

// The same for cuBLASLt and for NCCL.
cublasStatus_t begin_library_call(const char* name);
ncclResult_t begin_nccl_call(const char* name);
std::vector<std::string> live_communicators();
void forget_communicators();

}  // namespace softwarp::simulator
