#pragma once

/// @file
/// The optimizers: their options, the learning rate's schedule, and the buffers and state that a step
/// changes.

#include <cstdint>

namespace softwarp {

/// Parameters, gradients and the optimizer's moments, in a device's memory: flat buffers of one layout, of
/// which no two overlap. Weight decay acts on the first `decayed` values, which are the weights and not the
/// biases.
struct ParameterBuffers {
  float* values = nullptr;           ///< [size], changed by a step
  const float* gradients = nullptr;  ///< [size]
  float* first_moment = nullptr;     ///< [size]; sgd: momentum, null without; adamw: first moment
  float* second_moment = nullptr;    ///< [size]; adamw only
  std::int64_t size = 0;             ///< elements of each buffer
  std::int64_t decayed = 0;          ///< elements that decay, at the front
};

/// Shapes of the learning rate over the steps.
enum class ScheduleKind {
  constant,  ///< the rate stays
  /// rate/2 (1 + cos(pi t)), t the share of the steps after warm-up (Loshchilov & Hutter, arXiv:1608.03983,
  /// without restarts)
  cosine,
  /// cosine from rate/25 up to rate over the first 30 % of the steps, then cosine down to rate/25e4 (Smith &
  /// Topin, arXiv:1708.07120, as PyTorch's OneCycleLR)
  one_cycle,
  step  ///< a factor every so many steps
};

/// The learning rate as a function of the step alone, computed where the parameters are.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;  ///< the shape over the steps
  double rate = 1e-3;                          ///< the highest rate
  std::int64_t steps = 1;                      ///< steps of the whole training run
  std::int64_t warmup_steps = 0;  ///< linear from rate / warmup_steps; one_cycle has its own warm-up
  std::int64_t step_every = 1;    ///< step: multiply by step_factor every so many steps
  double step_factor = 0.1;       ///< step: the factor
};

/// Options of SGD, as in PyTorch: d = g + decay p; m = momentum m + d; p -= lr (nesterov ? d + momentum m :
/// m).
struct SgdOptions {
  float momentum = 0;      ///< in [0, 1)
  bool nesterov = false;   ///< needs momentum
  float weight_decay = 0;  ///< L2: added to the gradient
};

/// Options of AdamW (Loshchilov & Hutter, arXiv:1711.05101): p -= lr decay p; then Adam's step with bias
/// correction.
struct AdamwOptions {
  float beta1 = 0.9f;          ///< decay of the first moment
  float beta2 = 0.999f;        ///< decay of the second moment
  float epsilon = 1e-8f;       ///< added to the second moment's root
  float weight_decay = 0.01f;  ///< decoupled from the gradient
};

/// The state that each training step changes. It lies in the device's memory and the optimizer advances it
/// there, so that a recorded step can be replayed and the host passes nothing to the device.
struct TrainingState {
  std::uint64_t seed = 0;     ///< of all random numbers
  std::int64_t step = 0;      ///< optimizer steps since training began
  std::int64_t position = 0;  ///< the next sample of this epoch's permutation
  std::int64_t epoch = 0;     ///< epochs since training began
  std::int64_t first_nonfinite_step =
      0;                      ///< the first step, from 1, that made a parameter NaN or infinite; 0: none
  std::uint32_t arrived = 0;  ///< blocks of a running kernel that have read the rest; 0 between kernels
  std::uint32_t unused = 0;   ///< padding
};

}  // namespace softwarp
