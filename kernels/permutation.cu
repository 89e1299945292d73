// A permutation as the order of random keys: cub's radix sort is stable, so that of equal keys the lower
// index comes first, as on the CPU.

#include <cuda_runtime.h>

#include <cub/device/device_radix_sort.cuh>

#include "core/random.h"
#include "kernels/primitives/launch.h"
#include "kernels/primitives/memory.cuh"
#include "kernels/training_ops.h"

namespace softwarp {
namespace {

constexpr int kThreads = 256;
constexpr int kKeyBits = 32;

__global__ void __launch_bounds__(kThreads)
    permutation_keys_kernel(std::uint64_t seed, std::int64_t epoch, std::int64_t count, std::uint32_t* keys,
                            std::int32_t* indices) {
  pdl_wait();
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i >= count) return;
  store_one(permutation_key(seed, epoch, i), keys + i);
  store_one(static_cast<std::int32_t>(i), indices + i);
}

std::size_t aligned_bytes(std::int64_t count) {
  constexpr std::int64_t kAlignment = 256;
  return static_cast<std::size_t>(blocks_for(count * 4, kAlignment) * kAlignment);
}

// With null storage it only says how much it needs.
void sort(void* storage, std::size_t& bytes, const std::uint32_t* keys, std::uint32_t* sorted_keys,
          const std::int32_t* indices, std::int32_t* order, std::int64_t count, cudaStream_t stream) {
  check(cub::DeviceRadixSort::SortPairs(storage, bytes, keys, sorted_keys, indices, order,
                                        static_cast<int>(count), 0, kKeyBits, stream));
}

}  // namespace

std::size_t permutation_workspace_bytes(std::int64_t count) {
  expects(count >= 0 && count <= INT32_MAX, "a count that fits 31 bits");
  std::size_t bytes = 0;
  sort(nullptr, bytes, nullptr, nullptr, nullptr, nullptr, count, nullptr);
  return 3 * aligned_bytes(count) + bytes;
}

void permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order, std::int64_t count,
                 Workspace workspace, cudaStream_t stream) {
  expects(count >= 0 && count <= INT32_MAX, "a count that fits 31 bits");
  if (count == 0) return;
  const std::size_t part = aligned_bytes(count);
  expects(workspace.bytes >= 3 * part, "workspace of permutation_workspace_bytes");
  char* const bytes = static_cast<char*>(workspace.data);
  auto* const keys = reinterpret_cast<std::uint32_t*>(bytes);
  auto* const sorted_keys = reinterpret_cast<std::uint32_t*>(bytes + part);
  auto* const indices = reinterpret_cast<std::int32_t*>(bytes + 2 * part);
  launch(LaunchOn{.grid = blocks_for(count, kThreads), .block = kThreads, .stream = stream},
         permutation_keys_kernel, seed, epoch, count, keys, indices);
  std::size_t rest = workspace.bytes - 3 * part;
  sort(bytes + 3 * part, rest, keys, sorted_keys, indices, order, count, stream);
}

}  // namespace softwarp
