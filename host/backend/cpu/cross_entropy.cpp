// Softmax, cross-entropy and its gradient, a block of rows at a time. With p = softmax(x), w the class
// weights, W their sum, e the label smoothing and t the target:
//   loss   = (1 - e) w_t nll_t + e/N sum_j w_j nll_j,   nll_j = log d - (x_j - m)
//   dx_j   = ((1 - e) w_t + e W / N) p_j - e/N w_j - (1 - e) w_t [j = t],   over the batch's sum of w_t
// Softmax's own backward, s ⊙ (g - <g, s>), has met the logarithm's here and cancelled down to p - onehot.

#include "host/backend/cpu/half_rows.h"
#include "host/backend/cpu/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/cross_entropy.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include <cmath>

#include "host/backend/cpu/loss_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The first of the largest; NaN counts as largest.
template <class T>
std::int64_t first_largest(const T* x, std::int64_t n) {
  const T max = row_max(hn::ScalableTag<T>(), x, n);
  std::int64_t first = -1;
  for (std::int64_t j = 0; j < n; ++j) {
    if (x[j] != x[j]) return j;
    if (first < 0 && x[j] == max) first = j;
  }
  return std::max<std::int64_t>(first, 0);  // all -inf: none equals lowest()
}

HWY_INLINE void scale_row(float* row, std::int64_t n, float by) {
  const D d;
  const auto scale = hn::Set(d, by);
  write_row(d, row, n, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
    return hn::Mul(load_count(d, row + j, count), scale);
  });
}

// The rows of x and dx, of which `first` is the first of the batch.
template <std::size_t kVectors>
HWY_INLINE BlockLoss run_block(const LossBatch& batch, std::int64_t first, ConstMatrixView<float> x,
                               MatrixView<float> dx) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const auto rows = static_cast<std::size_t>(x.rows);
  const std::int32_t* const targets = batch.targets + first;
  Block<kVectors> block;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::int32_t t = batch.counts(targets[i]) ? targets[i] : 0;
    block.classes[i] = t;
    block.weights[i] = batch.weight(t);
  }
  const std::size_t lanes = kVectors > 0 ? hn::Lanes(D()) : hn::Lanes(Wide());
  for (std::size_t i = rows; i % lanes != 0; ++i) block.set_sum(i, 1);
  read_rows(batch, x, dx, block);
  for (std::size_t i = 0; !batch.assume_all_valid && i < rows; ++i)
    if (!batch.counts(targets[i])) block.set_sum(i, targets[i] == batch.ignore_index ? 1 : kNan);

  const BlockLoss loss = take_logarithms(batch, rows, block);
  if (batch.losses != nullptr) std::copy_n(block.losses, rows, batch.losses + first);
  for (std::size_t i = 0; dx.data != nullptr && i < rows; ++i) {
    float* const row = dx.row(static_cast<std::int64_t>(i));
    if (batch.counts(targets[i])) {
      write_gradient(batch, i, block, row);
      row[targets[i]] = block.target_gradients[i];
      if (batch.dloss != nullptr) scale_row(row, x.cols, batch.dloss[first + static_cast<std::int64_t>(i)]);
    } else {
      std::fill_n(row, x.cols, targets[i] == batch.ignore_index ? 0.0f : static_cast<float>(kNan));
    }
  }
  return loss;
}

// Returns how many blocks there are. Their size depends on the columns alone, so that the sums do.
template <std::size_t kVectors>
HWY_NOINLINE std::size_t run_blocks(const LossBatch& batch, BlockLoss* blocks) {
  const std::int64_t rows = std::clamp<std::int64_t>(kBlockElements / batch.x.cols, 1, kBlockRows);
  const std::int64_t count = (batch.x.rows + rows - 1) / rows;
#pragma omp parallel for schedule(static) if (batch.x.size() >= kWorthThreads)
  for (std::int64_t b = 0; b < count; ++b) {
    const std::int64_t first = b * rows, size = std::min(rows, batch.x.rows - first);
    const auto part = [=](auto matrix) HWY_ATTR {
      if (matrix.data != nullptr) matrix.data = matrix.row(first);
      matrix.rows = size;
      return matrix;
    };
    blocks[b] = run_block<kVectors>(batch, first, part(batch.x), part(batch.dx));
  }
  return static_cast<std::size_t>(count);
}

std::size_t CrossEntropyBlocks(const LossBatch& batch, BlockLoss* blocks) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  switch ((batch.x.cols + lanes - 1) / lanes) {
    case 1: return run_blocks<1>(batch, blocks);
    case 2: return run_blocks<2>(batch, blocks);
    case 3: return run_blocks<3>(batch, blocks);
    case 4: return run_blocks<4>(batch, blocks);
    case 5: return run_blocks<5>(batch, blocks);
    case 6: return run_blocks<6>(batch, blocks);
    case 7: return run_blocks<7>(batch, blocks);
    case 8: return run_blocks<8>(batch, blocks);
    default: return run_blocks<0>(batch, blocks);
  }
}

TargetCounts CountTargets(const LossBatch& batch) {
  // Copies, so that the compiler sees that nobody changes them.
  const std::int32_t* const targets = batch.targets;
  const std::int32_t ignored = batch.ignore_index;
  const std::int64_t rows = batch.x.rows, cols = batch.x.cols;
  TargetCounts counts;
  for (std::int64_t r = 0; r < rows; ++r) {
    const bool counted = targets[r] != ignored;
    counts.counted += counted;
    counts.invalid += counted & (targets[r] < 0 || targets[r] >= cols);
  }
  return counts;
}

template <class T>
void argmax(ConstMatrixView<T> x, std::int32_t* best) {
#pragma omp parallel for schedule(static) if (x.size() >= kWorthThreads)
  for (std::int64_t r = 0; r < x.rows; ++r)
    best[r] = static_cast<std::int32_t>(first_largest(x.row(r), x.cols));
}
void Argmax(const ConstAnyMatrix& x, std::int32_t* best) {
  x.dtype == DType::float32 ? argmax(x.view<const float>(), best) : argmax(x.view<const double>(), best);
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(CountTargets);
HWY_EXPORT(CrossEntropyBlocks);
HWY_EXPORT(Argmax);

BlockLoss cross_entropy_rows(const LossBatch& batch, BlockLoss sums) {
  // Kept from call to call: a training step allocates nothing. A block has a row or more.
  static thread_local std::vector<BlockLoss> blocks;
  blocks.resize(static_cast<std::size_t>(batch.x.rows));
  const std::size_t size = HWY_DYNAMIC_DISPATCH(CrossEntropyBlocks)(batch, blocks.data());
  for (std::size_t b = 0; b < size; ++b) {
    sums.loss += blocks[b].loss;
    sums.correct += blocks[b].correct;
  }
  return sums;
}

void softmax_cross_entropy(ConstMatrixView<float> logits, const std::int32_t* targets,
                           const CrossEntropyOptions& options, float* losses, MatrixView<float> dlogits,
                           CrossEntropySums* sums) {
  LossBatch batch{.x = logits,
                  .targets = targets,
                  .losses = losses,
                  .dx = dlogits,
                  .class_weights = options.class_weights,
                  .ignore_index = options.ignore_index,
                  .smoothing = options.label_smoothing,
                  .share = options.label_smoothing / static_cast<double>(logits.cols)};
  const TargetCounts counts = HWY_DYNAMIC_DISPATCH(CountTargets)(batch);
  batch.assume_all_valid = counts.counted == logits.rows && counts.invalid == 0;
  auto weight = static_cast<double>(counts.counted - counts.invalid);
  batch.class_weight_sum = static_cast<double>(logits.cols);
  if (options.class_weights != nullptr) {
    weight = 0;
    for (std::int64_t r = 0; r < logits.rows; ++r)
      if (batch.counts(targets[r])) weight += batch.weight(targets[r]);
    batch.class_weight_sum = 0;
    for (std::int64_t j = 0; j < logits.cols; ++j) batch.class_weight_sum += options.class_weights[j];
  }
  batch.inverse_weight = 1 / (options.batch_rows > 0 ? static_cast<double>(options.batch_rows) : weight);

  const BlockLoss all = cross_entropy_rows(batch, {sums->loss, sums->correct});
  sums->loss = all.loss;
  sums->correct = all.correct;
  sums->weight += weight;
  sums->rows += counts.counted;
  sums->invalid_targets += counts.invalid;
  if (std::isfinite(sums->loss)) sums->finite_rows = sums->rows;
}

void argmax(const ConstAnyMatrix& x, std::int32_t* best) {
  x.dtype == DType::float32 || x.dtype == DType::float64 ? HWY_DYNAMIC_DISPATCH(Argmax)(x, best)
                                                         : argmax_half(x, best);
}

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
