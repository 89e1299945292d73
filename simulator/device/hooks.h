#pragma once

// Device code calls these functions for everything that the simulator carries out or observes.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <vector>

#include <cuda_runtime_types.h>

namespace softwarp::simulator {

using Where = std::source_location;

// __syncthreads; returns how many threads of the block came with `vote`.
int meet_block(bool vote, const Where& where);

// The collectives of a warp: the value that lane `source` brought, the lanes that voted, nothing.
std::uint64_t shuffle(unsigned mask, std::uint64_t value, unsigned source, const Where& where);
unsigned ballot(unsigned mask, bool vote, const Where& where);
void meet_lanes(unsigned mask, const Where& where);
unsigned current_lane();
unsigned lanes_present();

void arrive_cluster(const Where& where);
void wait_cluster(const Where& where);
// `pointer`, into the calling block's shared memory, as it is in the block of that rank.
void* map_shared(const void* pointer, unsigned rank);
struct ClusterPlace {
  unsigned rank;
  unsigned blocks;
  dim3 shape;
};
ClusterPlace cluster_place();

// Global memory: checks bounds and alignment, and counts.
void access(const void* pointer, std::size_t bytes, bool store);
// Global or shared memory: checks bounds and alignment, and counts an atomic.
void access_atomically(const void* pointer, std::size_t bytes);
void fence();  // __threadfence

void count_exponential();
void await_dependency();  // cudaGridDependencySynchronize
[[noreturn]] void trap();

// Queues a kernel whose arguments `body` holds.
cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body);

// A library's call that does something on the device, within these parts of device memory.
struct Extent {
  const void* pointer;
  std::size_t bytes;
};
cudaError_t run_on_device(const char* what, cudaStream_t stream, const std::vector<Extent>& touched,
                          std::function<cudaError_t()> work);

}  // namespace softwarp::simulator
