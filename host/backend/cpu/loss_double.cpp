// Cross-entropy in double, a row at a time, by the formulas of cross_entropy.cpp.

#include "host/backend/cpu/loss_double.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/loss_double.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include <cmath>

#include "host/backend/cpu/loss_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Batch = BasicLossBatch<double>;

// dx holds exp(x - m), whose sum is `sum`.
HWY_INLINE void write_double_gradient(const Batch& batch, std::int64_t r, double sum, double target_exp) {
  const Wide d;
  const std::int32_t target = batch.targets[r];
  double* const dx = batch.dx.row(r);
  const double of_target = (1 - batch.smoothing) * batch.weight(target), share = batch.share;
  const double above = batch.inverse_weight * (batch.dloss != nullptr ? batch.dloss[r] : 1);
  const double of_exp = (of_target + share * batch.class_weight_sum) * above / sum;
  const auto scale = hn::Set(d, of_exp), other = hn::Set(d, -share * above), one = hn::Set(d, 1.0);
  write_row(d, dx, batch.x.cols, [=, &batch](std::int64_t j, std::int64_t count) HWY_ATTR {
    const auto p = hn::Mul(load_count(d, dx + j, count), scale);
    if (share == 0) return p;
    const auto w = batch.class_weights != nullptr ? load_count(d, batch.class_weights + j, count) : one;
    return hn::MulAdd(other, w, p);
  });
  dx[target] = target_exp * of_exp - (share * batch.weight(target) + of_target) * above;
}

HWY_INLINE double double_row(const Batch& batch, std::int64_t r) {
  const Wide d;
  const std::int64_t cols = batch.x.cols;
  const double* const x = batch.x.row(r);
  double* const dx = batch.dx.data != nullptr ? batch.dx.row(r) : nullptr;
  const std::int32_t target = batch.targets[r];
  if (!batch.counts(target)) {
    if (dx != nullptr) std::fill_n(dx, cols, 0.0);
    return 0;
  }
  const double max = row_max(d, x, cols), of_target = x[target] - max;
  const double smoothed = batch.smoothing > 0 ? weighted_sum(d, x, cols, max, batch.class_weights) : 0;
  const double sum = dx != nullptr ? row_exp_sum<true>(d, x, cols, max, dx)
                                   : row_exp_sum<false>(d, x, cols, max, static_cast<double*>(nullptr));
  const double log_sum = sum > 0 ? std::log(sum) : std::numeric_limits<double>::quiet_NaN();
  if (dx != nullptr) write_double_gradient(batch, r, sum, dx[target]);
  const double loss = (1 - batch.smoothing) * batch.weight(target) * (log_sum - of_target);
  if (batch.smoothing == 0) return loss;
  return loss + batch.share * (batch.class_weight_sum * log_sum - smoothed);
}

void CrossEntropyDouble(const Batch& batch) {
#pragma omp parallel for schedule(static) if (batch.x.size() >= kWorthThreads)
  for (std::int64_t r = 0; r < batch.x.rows; ++r) batch.losses[r] = double_row(batch, r);
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(CrossEntropyDouble);

void cross_entropy_double(const BasicLossBatch<double>& batch) {
  HWY_DYNAMIC_DISPATCH(CrossEntropyDouble)(batch);
}

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
