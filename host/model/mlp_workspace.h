#pragma once

#include <softwarp/backend.h>
#include <softwarp/train.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "host/model/mlp.h"

namespace softwarp {

// One batch size's way through an Mlp, forward and, if it trains, backward: its layers' plans and
// activations. The Mlp must outlive it. With h_0 = x, z_i = h_{i-1} W_iᵀ + b_i, h_i = f(z_i), logits = z_L:
//   dz_L = softmax(z_L) - onehot, divided by the batch      (softmax_cross_entropy writes it)
//   dW_i = dz_iᵀ h_{i-1},  db_i = column sums of dz_i,  dz_{i-1} = (dz_i W_i) ⊙ f'(z_{i-1})
class MlpWorkspace {
 public:
  using View = MatrixView<float>;

  MlpWorkspace(const Mlp& mlp, std::int64_t batch, bool trains, const DropoutRates& rates = {});

  std::int64_t batch() const { return batch_; }
  View input() const { return input_.view(); }            // [batch, inputs], to be written before forward
  View logits() const { return outputs_.back().view(); }  // [batch, classes]; backward expects dlogits here

  // Reads input() and leaves logits(). With dropout, `state` says which values drop; input() changes. If this
  // is a part of a larger batch, `first_row` is its first row there.
  void forward(const TrainingState* state = nullptr, std::int64_t first_row = 0);
  // Reads dL/dlogits in logits() and writes every parameter's gradient, laid out as the Mlp's values.
  // `state` and `first_row` as in forward. `weight_done` is called when a weight's gradient is computed, on a
  // GPU queued; the biases' gradients are when the call returns.
  void backward(float* gradients, const TrainingState* state = nullptr, std::int64_t first_row = 0,
                const std::function<void(const ParameterTensor& weight)>& weight_done = {});

 private:
  Linear& layer(std::int64_t i) { return *layers_[static_cast<std::size_t>(i)]; }
  View output(std::int64_t i) const { return outputs_[static_cast<std::size_t>(i)].view(); }
  View layer_input(std::int64_t i) const;
  View gradient(std::int64_t i) const;
  void backward_to(std::int64_t i, float* db, const TrainingState* state, std::int64_t first_row);

  const Mlp* mlp_;
  std::int64_t batch_;
  DropoutRates rates_;
  std::vector<std::unique_ptr<Linear>> layers_;
  Matrix input_;
  std::vector<Matrix> outputs_;    // of each layer
  std::vector<Matrix> dropped_;    // hidden outputs after dropout
  std::vector<Matrix> gradients_;  // dz of each hidden layer
};

}  // namespace softwarp
