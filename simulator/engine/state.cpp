#include "simulator/engine/state.h"

#include "simulator/engine/kernel.h"
#include "simulator/engine/memory.h"
#include "simulator/engine/queue.h"
#include "simulator/engine/random.h"
#include "simulator/engine/report.h"

namespace softwarp::simulator {

State& state() {
  static auto& the_state = *new State;
  return the_state;
}

std::map<const void*, Object>& objects() {
  static auto& all = *new std::map<const void*, Object>;
  return all;
}

KernelEntry& kernel_entry(const void* kernel) { return state().kernels[kernel]; }

void report(const std::string& what) { state().errors.push_back(what); }

namespace {

// Counts a call and tells whether the fault hits it.
bool is_faulty(const char* name) {
  ++state().host.calls;
  const auto found = state().calls.find(name);
  ++(found != state().calls.end() ? found->second : state().calls[name]);
  if (!state().fault || (!state().fault->function.empty() && state().fault->function != name)) return false;
  if (state().fault->call-- > 0) return false;
  state().fault_hit = name;
  return true;
}

}  // namespace

cudaError_t begin_call(const char* name, CallKind kind) {
  if (running != nullptr)
    fail_kernel(cudaErrorLaunchFailure, std::string("calls ") + name + " on the device");
  const Device& device = state().device;
  if (is_faulty(name)) {
    const cudaError_t error = state().fault->runtime;
    state().fault.reset();
    return error;
  }
  if (device.driver != cudaSuccess) return device.driver;
  if (device.count == 0) return cudaErrorNoDevice;
  if (kind == CallKind::unsafe) {
    if (Capture* capture = capture_in_danger()) {
      capture->valid = false;
      return cudaErrorStreamCaptureUnsupported;
    }
  }
  return state().lost;
}

cudaError_t end_call(cudaError_t result) {
  // This call reports the errors that the device found while it waited.
  if (result == cudaSuccess) result = state().lost;
  if (result != cudaSuccess && result != cudaErrorNotReady) state().last_error = result;
  return result;
}

cublasStatus_t begin_library_call(const char* name) {
  if (!is_faulty(name)) return CUBLAS_STATUS_SUCCESS;
  const cublasStatus_t status = state().fault->cublas;
  state().fault.reset();
  return status;
}

ncclResult_t begin_nccl_call(const char* name) {
  if (!is_faulty(name)) return ncclSuccess;
  const ncclResult_t result = state().fault->nccl;
  state().fault.reset();
  return result;
}

}  // namespace softwarp::simulator
