// Shuffles, votes, atomics, 16-bit numbers, groups and CUB, against their definitions.

#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cub/cub.cuh>
#include <set>

#include "simulator/testing.h"

namespace softwarp::simulator {
namespace {

namespace cg = cooperative_groups;

constexpr unsigned kAll = 0xffffffffu;

__global__ void shuffle_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_sync(kAll, lane, 3, 8);
  out[32 + lane] = __shfl_up_sync(kAll, lane, 2, 8);
  out[64 + lane] = __shfl_down_sync(kAll, lane, 2, 8);
  out[96 + lane] = __shfl_xor_sync(kAll, lane, 5, 8);
  out[128 + lane] = static_cast<int>(__ballot_sync(kAll, lane < 5));
  const unsigned half_mask = lane < 16 ? 0xffffu : 0xffff0000u;
  out[160 + lane] = __shfl_sync(half_mask, lane, 0);
}

__global__ void exponential_kernel(float* out) {
  out[threadIdx.x] = __expf(-static_cast<float>(threadIdx.x)) * exp2f(0);
}

__global__ void ticket_kernel(unsigned* ticket, int* last) {
  __shared__ unsigned mine;
  if (threadIdx.x == 0) mine = atomicInc(ticket, gridDim.x - 1);
  __syncthreads();
  if (mine == gridDim.x - 1) last[threadIdx.x] = static_cast<int>(blockIdx.x);
}

__global__ void tile_kernel(float* out) {
  const auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  float sum = 1;
  for (unsigned delta = 4; delta > 0; delta /= 2) sum += tile.shfl_xor(sum, delta);
  out[cg::this_thread_block().thread_rank()] = sum + static_cast<float>(tile.meta_group_rank());
}

__global__ void block_reduce_kernel(const float* x, float* out) {
  using Reduce = cub::BlockReduce<float, 64>;
  __shared__ typename Reduce::TempStorage storage;
  out[threadIdx.x] = Reduce(storage).Sum(__ldg(x + threadIdx.x));
}

class DeviceFunctions : public SimulatorTest {};

TEST_F(DeviceFunctions, ShufflesKeepToTheirSegments) {
  const DeviceArray<int> out(192);
  start(shuffle_kernel, 1, 32, 0, out.data());
  const auto values = out.download();
  const auto at = [&](int row, int lane) { return values[static_cast<std::size_t>(row * 32 + lane)]; };
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(at(0, lane), lane / 8 * 8 + 3);
    EXPECT_EQ(at(1, lane), lane % 8 < 2 ? lane : lane - 2);
    EXPECT_EQ(at(2, lane), lane % 8 > 5 ? lane : lane + 2);
    EXPECT_EQ(at(3, lane), lane ^ 5);
    EXPECT_EQ(at(4, lane), 31);
    EXPECT_EQ(at(5, lane), lane < 16 ? 0 : -1) << "lane 0 takes no part in the upper half's shuffle";
  }
}

TEST_F(DeviceFunctions, ExponentialsAreCountedAndErrAsFarAsTheyMay) {
  const DeviceArray<float> out(32);
  start(exponential_kernel, 1, 32, 0, out.data());
  const auto values = out.download();
  EXPECT_EQ(values[0], 1.0f);
  double worst = 0;
  for (int i = 1; i < 32; ++i)
    worst = std::max(worst,
                     std::abs(static_cast<double>(values[static_cast<std::size_t>(i)]) / std::exp(-i) - 1) /
                         (0x1p-22 + (1 + i) * 0x1p-24));
  EXPECT_LE(worst, 1);
  EXPECT_GE(worst, 0.4) << "more exact than the hardware need be";
  EXPECT_EQ(counters("exponential_kernel").exponentials, 64);
}

TEST_F(DeviceFunctions, ATicketIsDrawnByTheBlocksInAnyOrder) {
  std::set<int> last_blocks;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    set_seed(seed);
    const DeviceArray<unsigned> ticket(std::vector{0u});
    const DeviceArray<int> last(2);
    start(ticket_kernel, 4, 2, 0, ticket.data(), last.data());
    last_blocks.insert(last.download()[1]);
    EXPECT_EQ(ticket.download()[0], 0u) << "ready for the next launch";
  }
  EXPECT_EQ(last_blocks.size(), 4u);
}

TEST_F(DeviceFunctions, TilesReduceOnTheirOwn) {
  const DeviceArray<float> out(64);
  start(tile_kernel, 1, 64, 0, out.data());
  const auto values = out.download();
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(values[i], 8.0f + static_cast<float>(i / 8));
}

TEST_F(DeviceFunctions, BlockReduceIsValidInTheFirstThreadOnly) {
  const DeviceArray<float> x(std::vector<float>(64, 2.0f)), out(64);
  start(block_reduce_kernel, 1, 64, 0, x.data(), out.data());
  const auto values = out.download();
  EXPECT_EQ(values[0], 128.0f);
  EXPECT_TRUE(std::isnan(values[1]));
}

TEST_F(DeviceFunctions, RadixSortIsStableAndNeedsItsStorage) {
  const DeviceArray<unsigned> keys(std::vector{3u, 1u, 2u, 1u}), sorted_keys(4);
  const DeviceArray<int> values(std::vector{0, 1, 2, 3}), sorted(4);
  std::size_t bytes = 0;
  const auto sort = [&](void* storage) {
    return cub::DeviceRadixSort::SortPairs(storage, bytes, keys.data(), sorted_keys.data(), values.data(),
                                           sorted.data(), 4);
  };
  EXPECT_EQ(sort(nullptr), cudaSuccess);
  const DeviceArray<char> storage(bytes);
  EXPECT_EQ(sort(storage.data()), cudaSuccess);
  EXPECT_EQ(sorted.download(), (std::vector{1, 3, 2, 0}));
  EXPECT_EQ(sorted_keys.download(), (std::vector{1u, 1u, 2u, 3u}));
  --bytes;
  EXPECT_EQ(sort(storage.data()), cudaErrorInvalidValue);
}

TEST(SixteenBits, RoundToNearestEven) {
  const auto half_bits = [](double x) { return __half_as_ushort(__double2half(x)); };
  EXPECT_EQ(half_bits(1.0), 0x3c00);
  EXPECT_EQ(half_bits(1 + 0x1p-11), 0x3c00) << "a tie, to even";
  EXPECT_EQ(half_bits(1 + 0x1.8p-10), 0x3c02) << "a tie, to even";
  EXPECT_EQ(half_bits(65504), 0x7bff);
  EXPECT_EQ(half_bits(65520), 0x7c00) << "overflow";
  EXPECT_EQ(half_bits(0x1p-24), 0x0001) << "the least subnormal";
  EXPECT_EQ(half_bits(0x1p-25), 0x0000);
  EXPECT_EQ(half_bits(-0.0), 0x8000);
  EXPECT_EQ(half_bits(std::nan("")), 0x7fff);
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16(1 + 0x1p-8f)), 0x3f80);
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16(3.4e38f)), 0x7f80);
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const auto half = __ushort_as_half(static_cast<unsigned short>(bits));
    const auto bfloat = __ushort_as_bfloat16(static_cast<unsigned short>(bits));
    if (!std::isnan(__half2float(half))) {
      ASSERT_EQ(__half_as_ushort(__float2half(half)), bits);
    }
    if (!std::isnan(__bfloat162float(bfloat))) {
      ASSERT_EQ(__bfloat16_as_ushort(__float2bfloat16(bfloat)), bits);
    }
  }
}

}  // namespace
}  // namespace softwarp::simulator
