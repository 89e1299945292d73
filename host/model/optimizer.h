#pragma once

#include <cstdint>

#include "host/backend/backend.h"
#include "host/model/mlp.h"

namespace softwarp {

enum class OptimizerKind { sgd, adamw };

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::adamw;
  SgdOptions sgd;
  AdamwOptions adamw;
  Schedule schedule;
};

// The gradients of an Mlp and what an optimizer remembers of them, on the Mlp's backend. The Mlp must
// outlive it.
class Optimizer {
 public:
  Optimizer(const Mlp& mlp, const OptimizerSettings& settings);

  float* gradients() const { return gradients_.data(); }  // laid out as the Mlp's values
  const OptimizerSettings& settings() const { return settings_; }

  // Moves the Mlp's values along the gradients of a batch of `rows`, and *state to the next step.
  void step(TrainingState* state, std::int64_t rows);

 private:
  const Mlp* mlp_;
  OptimizerSettings settings_;
  Array<float> gradients_;
  Array<float> first_moment_;
  Array<float> second_moment_;
};

}  // namespace softwarp
