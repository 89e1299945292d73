#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"

namespace softwarp {

enum class ScheduleKind { constant, cosine, one_cycle, step };

// The learning rate as a function of the step alone, computed where the parameters are.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  double rate = 1e-3;             // the highest rate
  std::int64_t steps = 1;         // of the whole training
  std::int64_t warmup_steps = 0;  // linear from rate / warmup_steps; one_cycle has its own warm-up
  std::int64_t step_every = 1;    // step: multiply by step_factor every so many steps
  double step_factor = 0.1;
};

// cosine: rate/2 (1 + cos(pi t)), t the share of the steps after warm-up (Loshchilov & Hutter,
// arXiv:1608.03983, without restarts). one_cycle: cosine from rate/25 up to rate over the first 30 % of the
// steps, then cosine down to rate/25e4 (Smith & Topin, arXiv:1708.07120, as PyTorch's OneCycleLR).
SOFTWARP_HD inline float learning_rate(const Schedule& schedule, std::int64_t step) {
  constexpr double kPi = 3.14159265358979323846;
  const auto cosine = [](double from, double to, double share) {
    return to + (from - to) / 2 * (1 + std::cos(kPi * (share < 1 ? share : 1)));
  };
  const double rate = schedule.rate;
  if (schedule.kind == ScheduleKind::one_cycle) {
    const double peak = 0.3 * static_cast<double>(schedule.steps) - 1;
    const double now = static_cast<double>(step);
    const double last = static_cast<double>(schedule.steps - 1);
    if (now <= peak) return static_cast<float>(cosine(rate / 25, rate, now / (peak > 0 ? peak : 1)));
    return static_cast<float>(cosine(rate, rate / 25e4, last > peak ? (now - peak) / (last - peak) : 1));
  }
  if (step < schedule.warmup_steps)
    return static_cast<float>(rate * static_cast<double>(step + 1) /
                              static_cast<double>(schedule.warmup_steps));
  const double after = static_cast<double>(step - schedule.warmup_steps);
  if (schedule.kind == ScheduleKind::cosine) {
    const double span = static_cast<double>(schedule.steps - schedule.warmup_steps);
    return static_cast<float>(cosine(rate, 0, span > 0 ? after / span : 1));
  }
  if (schedule.kind == ScheduleKind::step) {
    const auto drops = static_cast<double>((step - schedule.warmup_steps) / schedule.step_every);
    return static_cast<float>(rate * std::pow(schedule.step_factor, drops));
  }
  return static_cast<float>(rate);
}

// SGD as PyTorch's: d = g + decay p; m = momentum m + d; p -= lr (nesterov ? d + momentum m : m).
struct SgdOptions {
  float momentum = 0;
  bool nesterov = false;
  float weight_decay = 0;  // L2: added to the gradient
};

// AdamW (Loshchilov & Hutter, arXiv:1711.05101): p -= lr decay p; then Adam's step with bias correction.
struct AdamwOptions {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0.01f;  // decoupled from the gradient
};

// p, m: one parameter and its momentum. decay is 0 for biases.
SOFTWARP_HD inline void sgd_update(float& p, float& m, float g, float rate, const SgdOptions& o,
                                   float decay) {
  const float d = g + decay * p;
  m = o.momentum * m + d;
  p -= rate * (o.nesterov ? d + o.momentum * m : m);
}

// What AdamW's update of every parameter shares in one step (1-based step t): the bias corrections.
struct AdamwStep {
  float rate;        // lr / (1 - beta1^t)
  float root_scale;  // 1 / sqrt(1 - beta2^t)
  float keep;        // 1 - lr decay

  SOFTWARP_HD AdamwStep(float lr, const AdamwOptions& o, std::int64_t t)
      : rate(static_cast<float>(lr / (1 - std::pow(static_cast<double>(o.beta1), static_cast<double>(t))))),
        root_scale(static_cast<float>(
            1 / std::sqrt(1 - std::pow(static_cast<double>(o.beta2), static_cast<double>(t))))),
        keep(1 - lr * o.weight_decay) {}
};

}  // namespace softwarp
