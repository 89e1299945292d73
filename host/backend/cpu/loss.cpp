// Cross-entropy as the C interface has it: targets of 64 bits, any type, reductions and the gradient of each.

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "host/backend/cpu/half.h"
#include "host/backend/cpu/half_rows.h"
#include "host/backend/cpu/loss.h"
#include "host/backend/cpu/loss_batch.h"
#include "host/backend/cpu/loss_double.h"
#include "host/backend/cpu/softmax.h"

namespace softwarp::cpu {
namespace {

constexpr std::int32_t kIgnored = -1;

[[noreturn]] void refuse_target(const Loss& loss, std::int64_t row) {
  throw std::invalid_argument("expected a target in [0, " + std::to_string(loss.logits.cols) + ") or " +
                              std::to_string(loss.ignore_index) + ", which is ignored, found " +
                              std::to_string(loss.targets[row]) + " in row " + std::to_string(row));
}

// The targets, kIgnored in place of ignore_index. Throws if one is no class.
const std::int32_t* checked_targets(const Loss& loss) {
  static thread_local std::vector<std::int32_t> targets;
  const std::int64_t rows = loss.logits.rows, cols = loss.logits.cols, ignored = loss.ignore_index;
  targets.resize(static_cast<std::size_t>(rows));
  bool valid = true;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t t = loss.targets[r];
    valid &= t == ignored || (t >= 0 && t < cols);
    targets[static_cast<std::size_t>(r)] = t == ignored ? kIgnored : static_cast<std::int32_t>(t);
  }
  if (valid) return targets.data();
  for (std::int64_t r = 0;; ++r)
    if (const std::int64_t t = loss.targets[r]; t != ignored && (t < 0 || t >= cols)) refuse_target(loss, r);
}

// The incoming gradients as T; those of 16-bit elements are widened.
template <class T>
class Gradients {
 public:
  explicit Gradients(const Loss& loss) {
    if (loss.dloss == nullptr) return;
    if (loss.logits.dtype == kDType<T>) {
      values_ = static_cast<const T*>(loss.dloss);
      return;
    }
    const std::int64_t size = loss.reduction == Reduction::none ? loss.logits.rows : 1;
    widened_.resize(static_cast<std::size_t>(size));
    if constexpr (std::is_same_v<T, float>)
      widen(loss.logits.dtype, static_cast<const std::uint16_t*>(loss.dloss), size, widened_.data());
    values_ = widened_.data();
  }
  // Null: all 1.
  const T* values() const { return values_; }

 private:
  const T* values_ = nullptr;
  std::vector<T> widened_;
};

// The batch's part of the formulas; its matrices and losses are set by the caller. `weight`: the sum of w_t.
template <class T>
BasicLossBatch<T> batch_of(const Loss& loss, const std::int32_t* targets, const Gradients<T>& dloss,
                           double& weight) {
  const std::int64_t rows = loss.logits.rows, cols = loss.logits.cols;
  BasicLossBatch<T> batch;
  batch.targets = targets;
  batch.class_weights = static_cast<const T*>(loss.class_weights);
  batch.ignore_index = kIgnored;
  batch.smoothing = loss.label_smoothing;
  batch.share = loss.label_smoothing / static_cast<double>(cols);
  batch.class_weight_sum = static_cast<double>(cols);
  batch.x.cols = cols;
  weight = 0;
  for (std::int64_t r = 0; r < rows; ++r)
    if (batch.counts(targets[r])) weight += batch.weight(targets[r]);
  if (batch.class_weights != nullptr)
    batch.class_weight_sum = std::accumulate(batch.class_weights, batch.class_weights + cols, 0.0);
  batch.assume_all_valid = std::find(targets, targets + rows, kIgnored) == targets + rows;
  batch.inverse_weight = loss.reduction == Reduction::mean ? 1 / weight : 1;
  if (loss.reduction == Reduction::none)
    batch.dloss = dloss.values();
  else if (dloss.values() != nullptr)
    batch.inverse_weight *= *dloss.values();
  return batch;
}

template <class T>
void write_losses(const Loss& loss, std::int64_t first, std::int64_t count, const T* losses) {
  if (loss.logits.dtype == kDType<T>) {
    std::copy_n(losses, count, static_cast<T*>(loss.loss) + first);
  } else if constexpr (std::is_same_v<T, float>) {
    narrow(loss.logits.dtype, losses, count, static_cast<std::uint16_t*>(loss.loss) + first);
  }
}

void write_reduced(const Loss& loss, double sum, double weight) {
  const double value = loss.reduction == Reduction::mean ? sum / weight : sum;
  const auto rounded = static_cast<float>(value);
  loss.logits.dtype == DType::float64 ? write_losses(loss, 0, 1, &value) : write_losses(loss, 0, 1, &rounded);
}

void run_double(const Loss& loss, const std::int32_t* targets) {
  double weight = 0;
  auto batch = batch_of<double>(loss, targets, Gradients<double>(loss), weight);
  std::vector<double> losses(static_cast<std::size_t>(loss.logits.rows));
  batch.x = loss.logits.view<const double>();
  batch.dx = loss.dlogits.view<double>();
  batch.losses = losses.data();
  cross_entropy_double(batch);
  if (loss.reduction == Reduction::none) return write_losses(loss, 0, loss.logits.rows, losses.data());
  // In long double, so that the sum of many losses is as exact as each of them.
  write_reduced(loss, static_cast<double>(std::accumulate(losses.begin(), losses.end(), 0.0L)), weight);
}

void run_float(const Loss& loss, const std::int32_t* targets) {
  double weight = 0;
  const Gradients<float> dloss(loss);
  auto batch = batch_of<float>(loss, targets, dloss, weight);
  batch.x = loss.logits.view<const float>();
  batch.dx = loss.dlogits.view<float>();
  if (loss.reduction == Reduction::none) batch.losses = static_cast<float*>(loss.loss);
  const double sum = cross_entropy_rows(batch).loss;
  if (loss.reduction != Reduction::none) write_reduced(loss, sum, weight);
}

// Some rows at a time, as floats.
void run_half(const Loss& loss, const std::int32_t* targets) {
  double weight = 0, sum = 0;
  const Gradients<float> dloss(loss);
  const auto whole = batch_of<float>(loss, targets, dloss, weight);
  const std::int64_t rows = loss.logits.rows, cols = loss.logits.cols, most = rows_at_a_time(rows, cols);
  float* const buffer = float_buffer(most * (cols + 1));
  float* const losses = buffer + most * cols;
  for (std::int64_t first = 0; first < rows; first += most) {
    const std::int64_t count = std::min(most, rows - first);
    widen_rows(loss.logits, first, count, buffer);
    auto batch = whole;
    batch.x = matrix_view<const float>(buffer, count, cols);
    if (loss.dlogits.data != nullptr) batch.dx = matrix_view(buffer, count, cols);
    batch.targets += first;
    if (batch.dloss != nullptr) batch.dloss += first;
    batch.losses = losses;
    sum += cross_entropy_rows(batch).loss;
    if (loss.reduction == Reduction::none) write_losses(loss, first, count, losses);
    if (loss.dlogits.data != nullptr) narrow_rows(buffer, first, count, loss.dlogits);
  }
  if (loss.reduction != Reduction::none) write_reduced(loss, sum, weight);
}

}  // namespace

void cross_entropy(const Loss& loss) {
  const std::int32_t* const targets = checked_targets(loss);
  switch (loss.logits.dtype) {
    case DType::float64: return run_double(loss, targets);
    case DType::float32: return run_float(loss, targets);
    default: return run_half(loss, targets);
  }
}

}  // namespace softwarp::cpu
