#pragma once

// A test chooses here which device is simulated, in which order it runs and which call fails, and asks
// afterwards what the device did and which rules were broken. README.md lists what this proves.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <nccl.h>

namespace softwarp::simulator {

struct Device {
  int count = 1;                     // 0: every call says cudaErrorNoDevice
  int busy = 0;                      // the first so many are in another process's exclusive use
  cudaError_t driver = cudaSuccess;  // anything else: what every call returns
  int driver_version = 13010;        // of the newest CUDA that it runs, 1000 major + 10 minor
  int major = 9;
  int minor = 0;
  int multiprocessors = 132;
  std::size_t shared_per_block = 48 << 10;
  std::size_t shared_per_block_optin = 227 << 10;
  std::size_t shared_per_multiprocessor = 228 << 10;
  std::size_t shared_reserved_per_block = 1 << 10;
  int threads_per_multiprocessor = 2048;
  int blocks_per_multiprocessor = 32;
  int largest_cluster = 8;             // 16 for kernels that allow more than is portable
  cudaError_t clusters = cudaSuccess;  // anything else: a part of a GPU, which has none and says so by this
  int compiled_for = 0;  // compute capability that nvcc compiled the kernels for, such as 75; 0: this one's
  std::size_t memory = std::size_t{8} << 30;
};

// The limits of a compute capability between 7.5 and 12.0.
Device device_of(int major, int minor);

// A new device: nothing allocated, nothing counted, no error, no fault. Tests start with it.
void reset(std::uint64_t seed = 1, const Device& device = {});

// Draws the order of lanes, warps, blocks and streams from here on.
void set_seed(std::uint64_t seed);

// Every rule broken since the last call, in words that name the kernel, the block and the thread.
std::vector<std::string> take_errors();

// The objects not yet released, one line each: memory, streams, events, graphs, objects of
// cuBLASLt and NCCL.
std::vector<std::string> live_objects();

struct Counters {
  std::int64_t launches = 0;
  std::int64_t blocks = 0;
  std::int64_t threads = 0;
  std::int64_t loads = 0;  // by __ldg and its relatives, each one thread's access
  std::int64_t load_bytes = 0;
  std::int64_t load_sectors = 0;  // distinct 32-byte sectors, warp by warp and access by access
  std::int64_t stores = 0;
  std::int64_t store_bytes = 0;
  std::int64_t store_sectors = 0;
  std::int64_t atomics = 0;
  std::int64_t barriers = 0;          // a block's, each counted once
  std::int64_t cluster_barriers = 0;  // a cluster's, each counted once
  std::int64_t collectives = 0;       // shuffles and votes, each counted once for the lanes that meet
  std::int64_t exponentials = 0;      // __expf, exp2f and the like, each one thread's
};

// The sum over all kernels whose name contains `name`, such as "softmax_kernel<float>".
Counters counters(std::string_view name = "");

// A kernel that has run since the counters were last reset, and the shape of its last launch.
struct KernelRun {
  std::string name;
  Counters counters;
  std::int64_t blocks = 0;
  int threads = 0;  // of a block
  int cluster = 1;  // blocks
  std::size_t shared_bytes = 0;
};
std::vector<KernelRun> kernels_run();

// Counts of the host's calls.
struct HostCounters {
  std::int64_t calls = 0;  // of the runtime, cuBLASLt and NCCL, those that a fault can hit
  std::int64_t allocations = 0;
  std::int64_t copies = 0;
  std::int64_t copied_bytes = 0;
  std::int64_t synchronizations = 0;  // calls that wait for the device
  std::int64_t graph_launches = 0;
  std::int64_t products = 0;  // by cublasLtMatmul, when they run
};
HostCounters host_counters();
// The NVTX ranges that threads have begun since the last reset, each as "domain: outer/inner", and how many
// of them have not ended. One that ends without having begun is an error.
struct Ranges {
  std::vector<std::string> begun;
  std::size_t open = 0;
};
Ranges ranges();
std::int64_t calls(std::string_view function);
void reset_counters();

// The n-th call from now on fails, n = 0 being the next; calls that release something do so all the same.
struct Fault {
  std::int64_t call = 0;
  cudaError_t runtime = cudaErrorMemoryAllocation;
  cublasStatus_t cublas = CUBLAS_STATUS_ALLOC_FAILED;
  ncclResult_t nccl = ncclSystemError;
  std::string function = "";  // whose calls count; empty: all
};
void inject(const Fault& fault);
// The function that failed; empty: none has yet.
std::string fault_hit();

// How cuBLASLt refuses an epilogue, as happens for some shapes and versions.
enum class Refusal {
  not_supported,   // the heuristic says CUBLAS_STATUS_NOT_SUPPORTED
  internal_error,  // the heuristic says CUBLAS_STATUS_INTERNAL_ERROR
  none_found,      // the heuristic succeeds and finds nothing
  bad_state,       // the heuristic's result has a state other than success
  product,         // the product itself says CUBLAS_STATUS_NOT_SUPPORTED
};
void refuse_epilogue(cublasLtEpilogue_t epilogue, Refusal refusal = Refusal::not_supported);

}  // namespace softwarp::simulator
