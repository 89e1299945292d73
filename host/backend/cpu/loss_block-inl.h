// The steps of softmax_cross_entropy for a block of rows, in their order: maxima, exponentials, logarithms,
// gradients. Each step is a loop over the rows, because a row by itself would wait for the latency of one
// reduction after the other, and because a vector of rows takes one logarithm. Included once for each target.
#if defined(SOFTWARP_LOSS_BLOCK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SOFTWARP_LOSS_BLOCK_INL_H
#undef SOFTWARP_LOSS_BLOCK_INL_H
#else
#define SOFTWARP_LOSS_BLOCK_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>

#include "host/backend/cpu/loss_batch.h"
#include "host/backend/cpu/vector_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using Wide = hn::ScalableTag<double>;
using Narrow = hn::Rebind<float, Wide>;  // as many floats as there are doubles in a vector

// The sum of w_j (x_j - m), for label smoothing.
template <class Tag, class T = hn::TFromD<Tag>>
HWY_NOINLINE double weighted_sum(Tag d, const T* x, std::int64_t n, T max, const T* weights) {
  const auto m = hn::Set(d, max), one = hn::Set(d, T(1));
  return sum_vectors(d, n, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
    // Missing lanes have weight 0, or without weights hold m - m.
    const auto w = weights != nullptr ? load_count(d, weights + j, count) : one;
    const auto v = count == static_cast<std::int64_t>(hn::Lanes(d))
                       ? hn::LoadU(d, x + j)
                       : load_first(d, x + j, static_cast<std::size_t>(count), max);
    return hn::Mul(w, hn::Sub(v, m));
  });
}

// Rows of a block: as many as the nearest caches hold with their gradients, but no more than these.
inline constexpr std::int64_t kBlockElements = 8192;
inline constexpr std::size_t kBlockRows = 32;

// A block's rows between one step and the next. A short row has kVectors vectors, a long row 0.
template <std::size_t kVectors>
struct Block {
  static constexpr std::size_t kSlots = std::max(kBlockRows, hn::MaxLanes(D()));
  HWY_ALIGN float max_parts[kSlots * kLaneParts<float>];
  HWY_ALIGN float maxima[kSlots];                                   // m
  HWY_ALIGN float exps[kSlots * kVectors * hn::MaxLanes(D()) + 1];  // exp(x_j - m); a long row has them in dx
  HWY_ALIGN double sum_parts[kSlots * kLaneParts<double>];          // of d, their sum
  HWY_ALIGN double smoothed[kSlots];                                // the sum of w_j (x_j - m)
  HWY_ALIGN std::int64_t correct[kSlots];  // 1 where t is the first of the largest, or 0
  HWY_ALIGN std::int32_t classes[kSlots];  // t
  HWY_ALIGN float targets[kSlots];         // x_t, then x_t - m
  HWY_ALIGN float weights[kSlots];         // w_t
  HWY_ALIGN float losses[kSlots];
  HWY_ALIGN float scales[kSlots];            // by which exp(x_j - m) becomes p_j's part of dx_j
  HWY_ALIGN float target_gradients[kSlots];  // dx_t

  // Instead of a row's own: d = 1 makes its loss 0, and NaN makes it NaN.
  void set_sum(std::size_t i, double sum) {
    std::fill_n(sum_parts + i * kLaneParts<double>, kLaneParts<double>, 0.0);
    sum_parts[i * kLaneParts<double>] = sum;
    smoothed[i] = 0;
    correct[i] = 0;
    targets[i] = weights[i] = 0;
  }
};

// The k-th of a short row's vectors, -inf in missing lanes.
template <std::size_t kVectors>
HWY_INLINE hn::Vec<D> load_short(const float* row, std::int64_t cols, std::size_t k) {
  const D d;
  const std::size_t at = k * hn::Lanes(d);
  if (k + 1 < kVectors) return hn::LoadU(d, row + at);
  return load_first(d, row + at, static_cast<std::size_t>(cols) - at,
                    -std::numeric_limits<float>::infinity());
}

// Each short row's m and x_t - m.
template <std::size_t kVectors>
HWY_INLINE void take_maxima(ConstMatrixView<float> x, Block<kVectors>& block) {
  const D d;
  const auto larger = [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); };
  const auto rows = static_cast<std::size_t>(x.rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const float* const row = x.row(static_cast<std::int64_t>(i));
    block.targets[i] = row[block.classes[i]];
    auto max = load_short<kVectors>(row, x.cols, 0);
    for (std::size_t k = 1; k < kVectors; ++k) max = hn::Max(max, load_short<kVectors>(row, x.cols, k));
    store_lane_parts(d, max, larger, block.max_parts + i * kLaneParts<float>);
  }
  std::fill(block.max_parts + rows * kLaneParts<float>, std::end(block.max_parts), 0.0f);
  for (std::size_t i = 0; i < rows; i += hn::Lanes(d)) {
    const auto max = load_lane_parts(d, block.max_parts + i * kLaneParts<float>, larger);
    hn::Store(max, d, block.maxima + i);
    hn::Store(hn::Sub(hn::Load(d, block.targets + i), max), d, block.targets + i);
  }
}

// Each short row's exp(x - m), their sum, and whether the target is the first of the largest.
template <std::size_t kVectors>
HWY_INLINE void take_exps(ConstMatrixView<float> x, Block<kVectors>& block) {
  const D d;
  const auto add = [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); };
  for (std::size_t i = 0; i < static_cast<std::size_t>(x.rows); ++i) {
    const float* const row = x.row(static_cast<std::int64_t>(i));
    const auto max = hn::Set(d, block.maxima[i]);
    auto sum = hn::Zero(d);
    std::int64_t first = -1;
    for (std::size_t k = 0; k < kVectors; ++k) {
      const auto v = load_short<kVectors>(row, x.cols, k);
      const auto at = hn::FindFirstTrue(d, hn::Eq(v, max));
      if (first < 0 && at >= 0) first = static_cast<std::int64_t>(k * hn::Lanes(d)) + at;
      const auto e = vector_exp(d, hn::Sub(v, max));
      hn::Store(e, d, block.exps + (i * kVectors + k) * hn::Lanes(d));
      sum = k > 0 ? hn::Add(sum, e) : e;
    }
    block.correct[i] = first == block.classes[i];
    store_lane_parts(Wide(), widened(d, sum), add, block.sum_parts + i * kLaneParts<double>);
  }
}

template <std::size_t kVectors>
HWY_INLINE void read_rows(const LossBatch& batch, ConstMatrixView<float> x, MatrixView<float>,
                          Block<kVectors>& block) {
  take_maxima(x, block);
  std::fill_n(block.smoothed, Block<kVectors>::kSlots, 0.0);
  for (std::size_t i = 0; batch.smoothing > 0 && i < static_cast<std::size_t>(x.rows); ++i)
    block.smoothed[i] =
        weighted_sum(D(), x.row(static_cast<std::int64_t>(i)), x.cols, block.maxima[i], batch.class_weights);
  take_exps(x, block);
}

// The same of long rows, whose exps go to dx, which may have no data and may be x. One row after the other:
// memory delivers the next one's elements while exps are taken of this one's.
HWY_INLINE void read_rows(const LossBatch& batch, ConstMatrixView<float> x, MatrixView<float> dx,
                          Block<0>& block) {
  const D d;
  for (std::size_t i = 0; i < static_cast<std::size_t>(x.rows); ++i) {
    const float* const row = x.row(static_cast<std::int64_t>(i));
    const float* const target = row + block.classes[i];
    const float max = row_max(d, row, x.cols);
    block.targets[i] = *target - max;
    block.correct[i] = *target == max && std::find(row, target, max) == target;
    block.smoothed[i] = batch.smoothing > 0 ? weighted_sum(d, row, x.cols, max, batch.class_weights) : 0;
    double* const sum_parts = block.sum_parts + i * kLaneParts<double>;
    std::fill_n(sum_parts, kLaneParts<double>, 0.0);
    *sum_parts = dx.data != nullptr
                     ? row_exp_sum<true>(d, row, x.cols, max, dx.row(static_cast<std::int64_t>(i)))
                     : row_exp_sum<false>(d, row, x.cols, max, static_cast<float*>(nullptr));
  }
}

// The losses of the first `rows` rows of a block, and what their gradients need.
template <std::size_t kVectors>
HWY_INLINE BlockLoss take_logarithms(const LossBatch& batch, std::size_t rows, Block<kVectors>& block) {
  const Wide d;
  const Narrow narrow;
  const hn::RebindToSigned<Wide> integers;
  const auto set = [=](double v) HWY_ATTR { return hn::Set(d, v); };
  const auto load = [=](const float* p) HWY_ATTR { return hn::PromoteTo(d, hn::Load(narrow, p)); };
  const double e = batch.smoothing, share = batch.share, inverse = batch.inverse_weight;
  const auto add = [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); };
  const auto nan = set(std::numeric_limits<double>::quiet_NaN());
  auto loss = hn::Zero(d);
  auto correct = hn::Zero(integers);
  for (std::size_t i = 0; i < rows; i += hn::Lanes(d)) {
    // A NaN or +inf makes d NaN, and no finite entry makes it NaN or, in a long row, 0.
    const auto sum = load_lane_parts(d, block.sum_parts + i * kLaneParts<double>, add);
    const auto is_number = hn::Gt(sum, hn::Zero(d));
    const auto log_sum = hn::IfThenElse(is_number, hn::Log(d, sum), nan);
    const auto of_target = hn::Mul(set(1 - e), load(block.weights + i));
    auto each = hn::Mul(of_target, hn::Sub(log_sum, load(block.targets + i)));
    if (e > 0) {
      const auto others = hn::MulSub(set(batch.class_weight_sum), log_sum, hn::Load(d, block.smoothed + i));
      each = hn::MulAdd(set(share), others, each);
    }
    loss = hn::Add(loss, each);
    correct = hn::Add(correct, hn::IfThenElseZero(hn::RebindMask(integers, is_number),
                                                  hn::Load(integers, block.correct + i)));
    hn::Store(narrowed(narrow, each), narrow, block.losses + i);

    const auto scale = hn::MulAdd(set(share), set(batch.class_weight_sum), of_target);
    const auto of_exp = hn::Div(hn::Mul(scale, set(inverse)), sum);
    hn::Store(narrowed(narrow, of_exp), narrow, block.scales + i);
    // p_t - 1 in double, so that a confident row's small gradient keeps its digits.
    const auto target_exp = hn::PromoteTo(d, vector_exp(narrow, hn::Load(narrow, block.targets + i)));
    const auto minus = hn::MulAdd(set(share), load(block.weights + i), of_target);
    const auto gradient = hn::MulSub(target_exp, of_exp, hn::Mul(minus, set(inverse)));
    hn::Store(narrowed(narrow, gradient), narrow, block.target_gradients + i);
  }
  return {hn::GetLane(hn::SumOfLanes(d, loss)), hn::GetLane(hn::SumOfLanes(integers, correct))};
}

// dx of a row but for the target's, from exp(x - m), which a long row has in dx.
template <std::size_t kVectors>
HWY_INLINE void write_gradient(const LossBatch& batch, std::size_t i, const Block<kVectors>& block,
                               float* dx) {
  const D d;
  const std::int64_t n = batch.x.cols;
  const auto a = hn::Set(d, block.scales[i]);
  const auto b = hn::Set(d, static_cast<float>(-batch.share * batch.inverse_weight));
  const bool smooths = batch.smoothing > 0;
  const float* const weights = batch.class_weights;
  const auto gradient = [=](hn::Vec<D> e, std::int64_t j, std::int64_t count) HWY_ATTR {
    const auto p = hn::Mul(e, a);
    if (!smooths) return p;
    return weights != nullptr ? hn::MulAdd(b, load_count(d, weights + j, count), p) : hn::Add(p, b);
  };
  if constexpr (kVectors == 0) {
    write_row(d, dx, n, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
      return gradient(load_count(d, dx + j, count), j, count);
    });
  } else {
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const std::int64_t tail = static_cast<std::int64_t>(kVectors - 1) * lanes;
    const float* const exps = block.exps + i * kVectors * hn::Lanes(d);
    for (std::int64_t j = 0; j < tail; j += lanes)
      hn::StoreU(gradient(hn::Load(d, exps + j), j, lanes), d, dx + j);
    store_first(gradient(hn::Load(d, exps + tail), tail, n - tail), d, dx + tail,
                static_cast<std::size_t>(n - tail));
  }
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
