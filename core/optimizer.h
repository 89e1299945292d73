#pragma once

#include <softwarp/matrix_view.h>
#include <softwarp/optimizer.h>

#include <cmath>
#include <cstdint>

namespace softwarp {

// cos(pi/2 x).
template <class Real>
SOFTWARP_HD Real quarter_wave(Real x) {
#ifdef __CUDA_ARCH__
  return cospi(x / 2);  // unlike cos it needs no local memory for arguments that never come
#else
  return std::cos(static_cast<Real>(1.57079632679489662) * x);
#endif
}

// The rate of a step, counted from 0; the kinds are ScheduleKind's. GPUs compute in float, because every
// block of a step waits for it: the two differ by a few roundings.
template <class Real = double>
SOFTWARP_HD float learning_rate(const Schedule& schedule, std::int64_t step) {
  // Half a cosine wave: (1 + cos(pi share)) / 2 without cancellation.
  const auto cosine = [](Real from, Real to, Real share) {
    const Real wave = quarter_wave(share < 1 ? share : Real(1));
    return static_cast<float>(to + (from - to) * wave * wave);
  };
  const Real rate = static_cast<Real>(schedule.rate);
  if (schedule.kind == ScheduleKind::one_cycle) {
    const Real peak = static_cast<Real>(0.3 * static_cast<double>(schedule.steps) - 1);
    const Real now = static_cast<Real>(step), last = static_cast<Real>(schedule.steps - 1);
    if (now <= peak) return cosine(rate / 25, rate, now / (peak > 0 ? peak : 1));
    return cosine(rate, rate / static_cast<Real>(25e4), last > peak ? (now - peak) / (last - peak) : 1);
  }
  if (step < schedule.warmup_steps)
    return static_cast<float>(rate * static_cast<Real>(step + 1) / static_cast<Real>(schedule.warmup_steps));
  if (schedule.kind == ScheduleKind::cosine) {
    const Real after = static_cast<Real>(step - schedule.warmup_steps);
    const Real span = static_cast<Real>(schedule.steps - schedule.warmup_steps);
    return cosine(rate, 0, span > 0 ? after / span : 1);
  }
  if (schedule.kind == ScheduleKind::step) {
    const auto drops = static_cast<Real>((step - schedule.warmup_steps) / schedule.step_every);
    return static_cast<float>(rate * std::pow(static_cast<Real>(schedule.step_factor), drops));
  }
  return static_cast<float>(rate);
}

// One parameter and its momentum; `decay` is 0 for biases.
SOFTWARP_HD inline void sgd_update(float& value, float& moment, float gradient, float rate,
                                   const SgdOptions& o, float decay) {
  const float d = gradient + decay * value;
  moment = o.momentum * moment + d;
  value -= rate * (o.nesterov ? d + o.momentum * moment : moment);
}

// Shared by AdamW's updates of all parameters in one step.
struct AdamwStep {
  float rate;        // lr / (1 - beta1^t)
  float root_scale;  // 1 / sqrt(1 - beta2^t)
  float keep;        // 1 - lr decay

  // t counts from 1. Real as in learning_rate.
  template <class Real = double>
  SOFTWARP_HD static AdamwStep at(float lr, const AdamwOptions& o, std::int64_t t) {
    // 1 - beta^t without cancellation.
    const auto correction = [t](float beta) {
      return -std::expm1(static_cast<Real>(t) * std::log(static_cast<Real>(beta)));
    };
    return {static_cast<float>(static_cast<Real>(lr) / correction(o.beta1)),
            static_cast<float>(1 / std::sqrt(correction(o.beta2))), 1 - lr * o.weight_decay};
  }
};

// One parameter and its moments; `keep` is 1 for biases.
SOFTWARP_HD inline void adamw_update(float& value, float& first, float& second, float gradient,
                                     const AdamwStep& step, const AdamwOptions& o, float keep) {
  first = o.beta1 * first + (1 - o.beta1) * gradient;
  second = o.beta2 * second + (1 - o.beta2) * (gradient * gradient);
  value = value * keep - step.rate * (first / (std::sqrt(second) * step.root_scale + o.epsilon));
}

// The weight of the newest value in the exponential moving average of t values, (1 - decay) / (1 - decay^t):
// the others' sum to the rest. Real as in learning_rate.
template <class Real = double>
SOFTWARP_HD float weight_of_newest(float decay, std::int64_t t) {
  return static_cast<float>(static_cast<Real>(1 - decay) /
                            -std::expm1(static_cast<Real>(t) * std::log(static_cast<Real>(decay))));
}

}  // namespace softwarp
