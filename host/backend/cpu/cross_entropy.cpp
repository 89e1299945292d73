// Softmax, cross-entropy and its gradient in one pass over each row. With p = softmax(x), w the class
// weights, W their sum, e the label smoothing and t the target:
//   loss   = (1 - e) w_t nll_t + e/N sum_j w_j nll_j,   nll_j = log d - (x_j - m)
//   dx_j   = ((1 - e) w_t + e W / N) p_j - e/N w_j - (1 - e) w_t [j = t],   over the batch's sum of w_t
// Softmax's own backward, s ⊙ (g - <g, s>), has met the logarithm's here and cancelled down to p - onehot.

#include "host/backend/cpu/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/cross_entropy.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include <cmath>

#include "host/backend/cpu/vector_row-inl.h"

#ifndef SOFTWARP_CROSS_ENTROPY_ONCE
#define SOFTWARP_CROSS_ENTROPY_ONCE
namespace softwarp::cpu {

// What a row adds to the sums.
struct RowLoss {
  double loss = 0;
  bool hit = false;
};

// The batch's part of the formulas above.
struct BatchLoss {
  const CrossEntropyOptions* options;
  double class_weight_sum;  // W
  float inverse_weight;     // 1 / the sum of w_t over the rows that count

  float weight(std::int64_t j) const {
    return options->class_weights != nullptr ? options->class_weights[j] : 1.0f;
  }
};

}  // namespace softwarp::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;

// The first of the largest; NaN counts as largest.
inline std::int64_t first_largest(const float* x, std::int64_t n) {
  const D d;
  const float max = row_max(d, x, n);
  std::int64_t first = -1;
  for (std::int64_t j = 0; j < n; ++j) {
    if (x[j] != x[j]) return j;
    if (first < 0 && x[j] == max) first = j;
  }
  return std::max<std::int64_t>(first, 0);  // all -inf: none equals lowest()
}

// The sum of w_j (x_j - m), for label smoothing.
inline double weighted_sum(const float* x, std::int64_t n, float max, const float* weights) {
  const D d;
  const auto m = hn::Set(d, max), one = hn::Set(d, 1.0f);
  return sum_vectors(d, n, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
    // Missing lanes have weight 0, or without weights hold m - m.
    const auto w = weights != nullptr ? load_count(d, weights + j, count) : one;
    const auto v = count == static_cast<std::int64_t>(hn::Lanes(d))
                       ? hn::LoadU(d, x + j)
                       : load_first(d, x + j, static_cast<std::size_t>(count), max);
    return hn::Mul(w, hn::Sub(v, m));
  });
}

// exps may be null: then only the loss is wanted. It may be x.
RowLoss row_loss(const float* x, std::int64_t n, std::int32_t t, const BatchLoss& batch, float* exps) {
  const D d;
  const float max = row_max(d, x, n);
  const float shifted_target = x[t] - max;  // read before exps takes x's place
  RowLoss row;
  row.hit = shifted_target == 0 ? std::find(x, x + t, max) == x + t : false;
  const double e = batch.options->label_smoothing;
  const double smoothed = e > 0 ? weighted_sum(x, n, max, batch.options->class_weights) : 0;

  const double sum = exps != nullptr ? row_exp_sum<true>(d, x, n, max, exps)
                                     : row_exp_sum<false>(d, x, n, max, static_cast<float*>(nullptr));
  if (sum != sum) row.hit = false;  // a NaN or +inf, which may not have reached max
  const double log_sum = std::log(sum);
  const double w = batch.weight(t);
  row.loss = (1 - e) * w * (log_sum - shifted_target);
  if (e > 0) row.loss += e / static_cast<double>(n) * (batch.class_weight_sum * log_sum - smoothed);
  if (exps == nullptr) return row;

  const double share = e / static_cast<double>(n);
  const double of_target = (1 - e) * w;
  const double scale = (of_target + share * batch.class_weight_sum) * batch.inverse_weight;
  const float p_scale = static_cast<float>(scale / sum);
  const float minus_share = static_cast<float>(-share * batch.inverse_weight);
  const double target_exp = exps[t];
  const auto a = hn::Set(d, p_scale), b = hn::Set(d, minus_share);
  const float* const weights = batch.options->class_weights;
  if (e == 0) {
    write_row(d, exps, n, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
      return hn::Mul(load_count(d, exps + j, count), a);
    });
  } else {
    write_row(d, exps, n, [=](std::int64_t j, std::int64_t count) HWY_ATTR {
      const auto p = hn::Mul(load_count(d, exps + j, count), a);
      return weights != nullptr ? hn::MulAdd(b, load_count(d, weights + j, count), p) : hn::Add(p, b);
    });
  }
  // p_t - 1 in double, so that a confident row's small gradient keeps its digits.
  exps[t] = static_cast<float>(target_exp / sum * scale - (of_target + share * w) * batch.inverse_weight);
  return row;
}

void CrossEntropyRows(ConstMatrixView<float> x, const std::int32_t* targets, const BatchLoss& batch,
                      float* losses, MatrixView<float> dx, RowLoss* rows) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
#pragma omp parallel for schedule(static) if (x.size() >= kWorthThreads)
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const std::int32_t t = targets[r];
    float* const exps = dx.data != nullptr ? dx.row(r) : nullptr;
    const bool ignored = t == batch.options->ignore_index;
    if (ignored || t < 0 || t >= x.cols) {
      rows[r] = {ignored ? 0.0 : static_cast<double>(kNan), false};
      if (exps != nullptr) std::fill_n(exps, x.cols, ignored ? 0.0f : kNan);
    } else {
      rows[r] = row_loss(x.row(r), x.cols, t, batch, exps);
    }
    if (losses != nullptr) losses[r] = static_cast<float>(rows[r].loss);
  }
}

void Argmax(ConstMatrixView<float> x, std::int32_t* best) {
#pragma omp parallel for schedule(static) if (x.size() >= kWorthThreads)
  for (std::int64_t r = 0; r < x.rows; ++r)
    best[r] = static_cast<std::int32_t>(first_largest(x.row(r), x.cols));
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(CrossEntropyRows);
HWY_EXPORT(Argmax);

void softmax_cross_entropy(ConstMatrixView<float> logits, const std::int32_t* targets,
                           const CrossEntropyOptions& options, float* losses, MatrixView<float> dlogits,
                           CrossEntropySums* sums) {
  BatchLoss batch{.options = &options, .class_weight_sum = 0, .inverse_weight = 0};
  for (std::int64_t j = 0; j < logits.cols; ++j) batch.class_weight_sum += batch.weight(j);
  double weight = 0;
  std::int64_t bad = 0, counted = 0;
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    if (targets[r] == options.ignore_index) continue;
    ++counted;
    if (targets[r] < 0 || targets[r] >= logits.cols)
      ++bad;
    else
      weight += batch.weight(targets[r]);
  }
  batch.inverse_weight = static_cast<float>(1 / weight);

  // Kept from call to call: a training step allocates nothing.
  static thread_local std::vector<RowLoss> rows;
  rows.resize(static_cast<std::size_t>(logits.rows));
  HWY_DYNAMIC_DISPATCH(CrossEntropyRows)(logits, targets, batch, losses, dlogits, rows.data());
  for (const RowLoss& row : rows) {
    sums->loss += row.loss;
    sums->hits += row.hit;
  }
  sums->weight += weight;
  sums->rows += counted;
  sums->bad_targets += bad;
  if (std::isfinite(sums->loss)) sums->finite_rows = sums->rows;
}

void argmax(ConstMatrixView<float> x, std::int32_t* best) { HWY_DYNAMIC_DISPATCH(Argmax)(x, best); }

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
