#pragma once

// Summaries for cross-entropy: of a row, of a block's rows and of all rows.

#include <softwarp/cross_entropy.h>

#include <climits>

#include "kernels/primitives/reduce.cuh"
#include "kernels/softmax_op.cuh"

namespace softwarp {

// A SoftmaxSummary, the first column that has the maximum, and with label smoothing the sums of w_j (x_j -
// max) and of w_j.
template <class A, bool kSmooth>
struct CrossEntropySummary {
  SoftmaxSummary<A> softmax;
  A smoothed;
  A weights;
  int best;  // INT_MAX: none is above -inf
  int unused;

  __device__ static CrossEntropySummary identity() {
    return {SoftmaxSummary<A>::identity(), 0, 0, INT_MAX, 0};
  }

  // `smoothed` with another maximum.
  __device__ A smoothed_from(A max) const {
    return weights == 0 ? smoothed : smoothed + weights * (softmax.max - max);
  }

  __device__ static CrossEntropySummary warp_reduce(const CrossEntropySummary& part,
                                                    const LogicalWarp& warp) {
    CrossEntropySummary all = part;
    all.softmax = SoftmaxSummary<A>::warp_reduce(part.softmax, warp);
    const A max = all.softmax.max;
    all.best = warp.min(part.softmax.max == max ? part.best : INT_MAX);
    if constexpr (kSmooth) {
      all.smoothed = warp.sum(part.smoothed_from(max));
      all.weights = warp.sum(part.weights);
    }
    return all;
  }

  __device__ friend CrossEntropySummary operator+(const CrossEntropySummary& a,
                                                  const CrossEntropySummary& b) {
    const SoftmaxSummary<A> softmax = a.softmax + b.softmax;
    const int best_a = a.softmax.max == softmax.max ? a.best : INT_MAX;
    const int best_b = b.softmax.max == softmax.max ? b.best : INT_MAX;
    return {softmax, a.smoothed_from(softmax.max) + b.smoothed_from(softmax.max), a.weights + b.weights,
            best_a < best_b ? best_a : best_b, 0};
  }
};

// A block's rows: what one access can carry. Up to 512 rows, 10 bits for each count.
struct alignas(kAccessBytes) BlockLoss {
  double loss;
  float weight;
  unsigned counts;  // correct, rows that are not ignored, invalid targets

  __device__ static unsigned count(bool correct, bool invalid) {
    return (correct ? 1u : 0u) | 1u << 10 | (invalid ? 1u << 20 : 0u);
  }
};

// CrossEntropySums while they are added up: fewer registers.
struct LossSums {
  double loss;
  double weight;
  unsigned correct;
  unsigned rows;
  unsigned invalid_targets;
  unsigned unused;

  __device__ static LossSums none() { return {0, 0, 0, 0, 0, 0}; }
  __device__ void add(const BlockLoss& block) {
    loss += block.loss;
    weight += block.weight;
    correct += block.counts & 1023u;
    rows += block.counts >> 10 & 1023u;
    invalid_targets += block.counts >> 20;
  }
  __device__ friend LossSums operator+(const LossSums& a, const LossSums& b) {
    return {a.loss + b.loss,
            a.weight + b.weight,
            a.correct + b.correct,
            a.rows + b.rows,
            a.invalid_targets + b.invalid_targets,
            0};
  }
  __device__ void add_to(CrossEntropySums* sums) const {
    const double total = load_one(&sums->loss) + loss;
    store_one(total, &sums->loss);
    store_one(load_one(&sums->weight) + weight, &sums->weight);
    store_one(load_one(&sums->correct) + correct, &sums->correct);
    const std::int64_t rows_so_far = load_one(&sums->rows) + rows;
    store_one(rows_so_far, &sums->rows);
    if (is_finite(total)) store_one(rows_so_far, &sums->finite_rows);
    store_one(load_one(&sums->invalid_targets) + invalid_targets, &sums->invalid_targets);
  }
};

}  // namespace softwarp
