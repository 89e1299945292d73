#pragma once

// Softmax, cross-entropy and its gradient in one pass over each row. With p = softmax(x), w the class
// weights, W their sum, e the label smoothing, t the target and m the maximum:
//
//   loss = (1 - e) w_t nll_t + e/N sum_j w_j nll_j,   nll_j = log d - (x_j - m),   d = sum_k exp(x_k - m)
//   dx_j = (((1 - e) w_t + e W / N) p_j - e/N w_j - (1 - e) w_t [j = t]) / the batch's sum of w_t
//
// Bound by memory: a row is read once and its gradient written once, 2 s bytes an element of s; the loss
// alone s. m and log d are separate numbers, and the target's -1 is subtracted before rounding, so that
// confident rows keep their digits. The thread that has column t reads x_t and writes dx_t, and so may do it
// in place.
//
// The mean needs no second launch: each block leaves its rows' sum and draws a ticket, and who draws the last
// one adds up all of them, in the order of the blocks.

#include <softwarp/cross_entropy.h>
#include <softwarp/workspace.h>

#include <algorithm>
#include <array>

#include "kernels/cross_entropy_summary.cuh"
#include "kernels/primitives/last_block.cuh"
#include "kernels/row_reduce/plan.h"
#include "kernels/row_reduce/row_op.cuh"

namespace softwarp {

// The parts of a workspace: a ticket, the summaries of rows that are split, and a loss of each block.
struct CrossEntropyWorkspace {
  unsigned* ticket;
  Workspace split_rows;
  BlockLoss* blocks;

  explicit CrossEntropyWorkspace(void* data)
      : ticket(static_cast<unsigned*>(data)),
        split_rows{static_cast<char*>(data) + kTicketBytes, kSplitRowWorkspaceBytes},
        blocks(reinterpret_cast<BlockLoss*>(static_cast<char*>(data) + kTicketBytes +
                                            kSplitRowWorkspaceBytes)) {}

  // Of launches of at most so many blocks. Rows that are split have fewer than their workspace has losses.
  static std::size_t bytes(std::int64_t blocks) {
    return kTicketBytes + kSplitRowWorkspaceBytes +
           std::max(static_cast<std::size_t>(blocks) * sizeof(BlockLoss), kSplitRowWorkspaceBytes);
  }

 private:
  static constexpr std::size_t kTicketBytes = 256;
};

template <class T, bool kSmooth>
struct CrossEntropy : RowOpBase<CrossEntropy<T, kSmooth>, T, T, 1> {
  using A = Accumulate<T>;
  using Summary = CrossEntropySummary<A, kSmooth>;
  static constexpr int kElementBytes = kSmooth && sizeof(T) == 2 ? sizeof(float) : sizeof(T);  // weights
  static constexpr int kMaxVectorsPerThread = sizeof(T) == 4 && !kSmooth ? 8 : 4;
  static constexpr int kReads = kSmooth ? 2 : 1;

  ConstMatrixView<T> logits;
  const std::int32_t* targets;
  CrossEntropyOptions options;
  A smoothing_of_class;  // e/N
  const float* weight;
  float* losses;
  MatrixView<T> dlogits;
  CrossEntropySums* sums;
  unsigned* ticket;
  BlockLoss* blocks;

  struct Row {
    const T* inputs[1];
    T* output;
    bool reads;  // the target is a class
    bool writes;
    bool ignored;
    std::int32_t target;
    A weight;     // w_t
    A inverse;    // 1 / the batch's weight
    float* loss;  // null: there is no such row, or nobody wants it
    bool exists;
  };
  template <int kVectors, int kWidth>
  struct Fragment {
    A v[kVectors][kWidth];  // exp(x - max of the lanes)
  };
  struct Params {
    A max;
    A scale;             // of exp(x - max)
    A fragment_scale;    // of the fragment
    A smoothing_weight;  // of w_j
    A at_target;
    std::int32_t target;
    A x_target;  // where this thread has that column
  };

  SOFTWARP_HD std::int64_t rows() const { return logits.rows; }
  SOFTWARP_HD std::int64_t cols() const { return logits.cols; }
  SOFTWARP_HD bool writes() const { return dlogits.data != nullptr; }
  auto layouts() const {
    return std::array{layout_of(logits), writes() ? layout_of(dlogits) : layout_of(logits)};
  }

  __device__ Row row_at(std::int64_t r) const {
    const bool exists = r < logits.rows;
    return {.inputs = {logits.row(r)},
            .output = writes() ? dlogits.row(r) : nullptr,
            .reads = false,
            .writes = exists && writes(),
            .ignored = false,
            .target = 0,
            .weight = 0,
            .inverse = 0,
            .loss = exists && losses != nullptr ? losses + r : nullptr,
            .exists = exists};
  }

  // The row's first lane reads these and broadcasts them.
  __device__ Row prologue(std::int64_t r, const LogicalWarp& warp) const {
    Row row = row_at(r);
    const bool first = row.exists && threadIdx.x % static_cast<unsigned>(warp.size) == 0;
    row.target = warp.first(first ? load_one(targets + r) : 0);
    row.ignored = row.target == options.ignore_index;
    row.reads = row.exists && !row.ignored && row.target >= 0 && row.target < logits.cols;
    const float w = first && row.reads && options.class_weights != nullptr
                        ? load_one(options.class_weights + row.target)
                        : 1.0f;
    row.weight = static_cast<A>(warp.first(w));
    const A all =
        first && weight != nullptr ? static_cast<A>(load_one(weight)) : static_cast<A>(options.batch_rows);
    row.inverse = reciprocal(warp.first(all));
    return row;
  }
  __device__ static T identity() { return static_cast<T>(-kInfinity<float>); }

  // The weights of vector i's classes, 0 where it has no class. Without branches around single loads, of
  // which there would be many.
  template <int kWidth, class TileT>
  __device__ void weights_of(const TileT& tile, int i, A (&weights)[kWidth]) const {
#pragma unroll
    for (int k = 0; k < kWidth; ++k) weights[k] = tile.inside(i, k) ? A(1) : A(0);
    if (options.class_weights == nullptr) return;
    const float* const from = options.class_weights + tile.start;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      // Without a class, the weight of the row's first or last column.
      const int offset = tile.offset(i, k), last = tile.left - 1;
      const int inside = offset < tile.before ? tile.before : offset > last ? last : offset;
      weights[k] *= static_cast<A>(load_one(from + inside));
    }
  }

  // The first column of the tile that has the value.
  template <int kVectors, int kWidth, class TileT>
  __device__ static int first_equal(const A (&v)[kVectors][kWidth], A value, const TileT& tile) {
    int offset = -1;
#pragma unroll
    for (int i = kVectors - 1; i >= 0; --i)
#pragma unroll
      for (int k = kWidth - 1; k >= 0; --k)
        if (v[i][k] == value) offset = tile.offset(i, k);
    return offset < 0 ? INT_MAX : static_cast<int>(tile.start) + offset;
  }

  template <int kVectors, int kWidth, class TileT>
  __device__ void add_smoothed(Summary& summary, const A (&v)[kVectors][kWidth], const TileT& tile) const {
    if constexpr (kSmooth) {
#pragma unroll
      for (int i = 0; i < kVectors; ++i) {
        A weights[kWidth];
        weights_of(tile, i, weights);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          summary.smoothed += tile.inside(i, k) ? weights[k] * (v[i][k] - summary.softmax.max) : A(0);
          summary.weights += weights[k];
        }
      }
    }
  }

  template <int kVectors, int kWidth, class TileT>
  __device__ Summary reduce(const Vector<T, kWidth> (&in)[1][kVectors], Fragment<kVectors, kWidth>& fragment,
                            const TileT& tile, const LogicalWarp& warp) const {
    to_accumulator(in[0], fragment.v);
    Summary summary = Summary::identity();
    summary.softmax.max = warp.max(largest(fragment.v));
    summary.best = warp.min(first_equal(fragment.v, summary.softmax.max, tile));
    add_smoothed(summary, fragment.v, tile);
    if constexpr (kSmooth) {
      summary.smoothed = warp.sum(summary.smoothed);
      summary.weights = warp.sum(summary.weights);
    }
    summary.softmax.sum = warp.sum(exp_and_sum(fragment.v, summary.softmax.max));
    return summary;
  }

  template <int kVectors, int kWidth, class TileT>
  __device__ void accumulate(Summary& summary, const Vector<T, kWidth> (&in)[1][kVectors],
                             const TileT& tile) const {
    A v[kVectors][kWidth];
    to_accumulator(in[0], v);
    const A before = summary.softmax.max, most = max_of(before, largest(v));
    const int column = first_equal(v, most, tile);
    if (most > before || summary.best == INT_MAX) summary.best = column;
    if constexpr (kSmooth) summary.smoothed = summary.smoothed_from(most);
    summary.softmax.rescale(most);
    add_smoothed(summary, v, tile);
    summary.softmax.sum += exp_and_sum(v, most);
  }

  template <class PartitionT>
  __device__ Params finalize(const Row& row, const Summary& lane_summary, const Summary& row_summary,
                             const PartitionT& partition) const {
    const SoftmaxSummary<A>& all = row_summary.softmax;
    Params f{.max = all.max,
             .scale = 0,
             .fragment_scale = 0,
             .smoothing_weight = 0,
             .at_target = 0,
             .target = -1,
             .x_target = 0};
    if (row.ignored) return f;
    if (!row.reads) {
      f.scale = f.fragment_scale = kNan<A>;
      return f;
    }
    const A e = static_cast<A>(options.label_smoothing);
    f.target = row.target;
    f.at_target = (1 - e) * row.weight * row.inverse;
    f.smoothing_weight = kSmooth ? smoothing_of_class * row.inverse : A(0);
    f.scale = (f.at_target + f.smoothing_weight * row_summary.weights) * reciprocal(all.sum);
    f.fragment_scale = f.scale;
    if (lane_summary.softmax.max != all.max) f.fragment_scale *= exp_fast(lane_summary.softmax.max - all.max);
    if (partition.owner(row.target) == partition.rank)
      f.x_target = static_cast<A>(load_one(row.inputs[0] + row.target));
    return f;
  }

  // Vector i of the tile, of exp(x - max).
  template <int kWidth, class TileT>
  __device__ Vector<T, kWidth> gradient(const Params& f, const A (&v)[kWidth], A scale, int i,
                                        const TileT& tile) const {
    Vector<T, kWidth> out;
    A weights[kWidth] = {};
    if constexpr (kSmooth) weights_of(tile, i, weights);
    const int target = f.target - static_cast<int>(tile.start);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const A g = v[k] * scale - f.smoothing_weight * weights[k];
      out.v[k] = static_cast<T>(tile.offset(i, k) == target ? g - f.at_target : g);
    }
    return out;
  }
  template <int kVectors, int kWidth, class TileT>
  __device__ Vector<T, kWidth> apply(const Params& f, const Vector<T, kWidth> (&)[1][kVectors],
                                     const Fragment<kVectors, kWidth>& fragment, int i,
                                     const TileT& tile) const {
    return gradient(f, fragment.v[i], f.fragment_scale, i, tile);
  }
  template <int kVectors, int kWidth, class TileT>
  __device__ Vector<T, kWidth> apply(const Params& f, const Vector<T, kWidth> (&in)[1][kVectors], int i,
                                     const TileT& tile) const {
    A v[kWidth];
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v[k] = exp_fast(static_cast<A>(in[0][i].v[k]) - f.max);
    return gradient(f, v, f.scale, i, tile);
  }

  // The row's loss, by the thread that knows x_t, and the sum over all rows.
  template <class PartitionT>
  __device__ void epilogue(const Row& row, const Params& f, const Summary& row_summary,
                           const PartitionT& partition) const {
    A loss = 0, of_weight = 0;
    unsigned counts = 0;
    const bool reports =
        row.reads ? partition.owner(row.target) == partition.rank : row.exists && partition.rank == 0;
    if (reports) {
      if (row.reads) {
        const A e = static_cast<A>(options.label_smoothing), log_sum = logarithm(row_summary.softmax.sum);
        loss = (1 - e) * row.weight * (log_sum - (f.x_target - row_summary.softmax.max));
        if constexpr (kSmooth)
          loss += smoothing_of_class * (row_summary.weights * log_sum - row_summary.smoothed);
        of_weight = row.weight;
        const bool is_number = row_summary.softmax.sum == row_summary.softmax.sum;
        counts = BlockLoss::count(is_number && row_summary.best == row.target, false);
      } else if (!row.ignored) {
        loss = kNan<A>;
        counts = BlockLoss::count(false, true);
      }
      if (row.loss != nullptr) store_one(static_cast<float>(loss), row.loss);
    }
    const LogicalWarp warp{kWarpLanes};
    const BlockLoss warp_summary{static_cast<double>(warp.sum(loss)), static_cast<float>(warp.sum(of_weight)),
                                 warp.sum(counts)};
    add_over_blocks(warp_summary);
  }

  __device__ void add_over_blocks(const BlockLoss& warp_summary) const {
    __shared__ BlockLoss warp_summaries[kMaxThreads / kWarpLanes];
    const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
    const int lane = thread % kWarpLanes, warp = thread / kWarpLanes, warps = threads / kWarpLanes;
    if (lane == 0) warp_summaries[warp] = warp_summary;
    __syncthreads();
    if (thread == 0) {
      BlockLoss block_summary = warp_summary;
      for (int i = 1; i < warps; ++i) {
        block_summary.loss += warp_summaries[i].loss;
        block_summary.weight += warp_summaries[i].weight;
        block_summary.counts += warp_summaries[i].counts;
      }
      store_cg(block_summary, blocks + blockIdx.x);
    }
    if (!is_last_block(ticket)) return;

    LossSums mine = LossSums::none();
#pragma unroll 1
    for (unsigned i = threadIdx.x; i < gridDim.x; i += blockDim.x) mine.add(load_cg(blocks + i));
    mine = LogicalWarp{kWarpLanes}.sum(mine);
    __shared__ LossSums sums_of_warps[kMaxThreads / kWarpLanes];
    if (lane == 0) sums_of_warps[warp] = mine;
    __syncthreads();
    if (thread != 0) return;
#pragma unroll 1
    for (int i = 1; i < warps; ++i) mine = mine + sums_of_warps[i];
    mine.add_to(sums);
  }
};

}  // namespace softwarp
