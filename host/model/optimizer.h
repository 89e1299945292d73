#pragma once

#include <softwarp/backend.h>
#include <softwarp/train.h>

#include <cstdint>
#include <span>
#include <vector>

#include "host/model/mlp.h"

namespace softwarp {

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::adamw;
  SgdOptions sgd;
  AdamwOptions adamw;
  Schedule schedule;
  double max_norm = 0;  // of each row of the weights; 0: no limit
};

// The gradients of an Mlp and what an optimizer remembers of them, on the Mlp's backend. The Mlp must
// outlive it.
class Optimizer {
 public:
  Optimizer(const Mlp& mlp, const OptimizerSettings& settings);

  float* gradients() const { return gradients_.data(); }  // laid out as the Mlp's values
  const OptimizerSettings& settings() const { return settings_; }

  // The moments, on the host, laid out as the Mlp's values; empty: it has no such moment.
  std::vector<float> first_moment() const { return moment(first_moment_); }
  std::vector<float> second_moment() const { return moment(second_moment_); }
  // Expects moments of those sizes.
  void set_moments(std::span<const float> first, std::span<const float> second);
  void clear_moments();

  // Moves the Mlp's values along the gradients of a batch of `rows`, within the max-norm, and *state to the
  // next step.
  void step(TrainingState* state, std::int64_t rows);

 private:
  std::vector<float> moment(const Array<float>& moment) const;

  const Mlp* mlp_;
  OptimizerSettings settings_;
  Array<float> gradients_;
  Array<float> first_moment_;
  Array<float> second_moment_;
};

}  // namespace softwarp
