#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "host/communicator/communicator.h"
#include "host/data/resident.h"
#include "host/model/mlp.h"
#include "host/model/optimizer.h"
#include "host/training/settings.h"
#include "host/training/shards.h"

namespace softwarp {

// The state at the end of an epoch that, with settings and data, determines the next one.
struct TrainerState {
  std::int64_t epochs = 0;
  std::int64_t steps = 0;
  std::vector<float> values;  // laid out as the Mlp's
  std::vector<float> first_moment;
  std::vector<float> second_moment;
  std::vector<float> average;  // of the values; empty: none
};

// A new Mlp and the steps that train it on one data set. What a step needs to know of its place (batch,
// learning rate, random numbers) lies on the device and moves on there, so that a step is recorded once and
// replayed:
//   gather the batch, deformed if wanted -> forward -> softmax and cross-entropy, with the gradient ->
//   backward -> optimizer -> moving average if wanted
// With several shards all before the optimizer is done for each shard, and the gradients are added as one
// binary tree over the shards: here those of this process, whose sum the communicator adds to the others'.
// The same seed and thread count give the same parameters, bit for bit. Another thread count may sum the
// products of the linear layers in another order, which changes their last bits.
class Trainer {
 public:
  // Backend, data and communicator must outlive it.
  Trainer(Backend& backend, const TrainingSettings& settings, const MlpShape& shape,
          const ResidentDataset& data, Communicator& communicator = single_process());

  // Runs every batch of the next epoch, the last and smaller one too. After each step `more` decides whether
  // to go on. Throws Diverged, which names the step, if the loss or a parameter is no longer finite, or the
  // loss has exploded. It looks at a copy that is made every 100 steps, once that has arrived, and waits for
  // the device at the end of the epoch alone.
  void run_epoch(const std::function<bool()>& more);
  // Checks after so many steps from now on instead; with 1 it waits for the device each time.
  void set_check_interval(std::int64_t steps) { check_interval_ = steps; }

  [[nodiscard]] TrainerState state() const;
  // As if the epochs had been run here. Expects sizes that fit the network and the optimizer.
  void restore(const TrainerState& state);

  // The loss and accuracy of this epoch's steps so far, as they were before each step: of this process's
  // shards, or of all, for which every process must ask. Waits for the device.
  [[nodiscard]] Score running_score() const { return score_of(sums(), single_process()); }
  [[nodiscard]] Score running_score_of_all() const { return score_of(sums(), *communicator_); }

  Mlp& mlp() { return mlp_; }
  const Mlp& mlp() const { return mlp_; }
  // The network to evaluate and to keep: the moving average if there is one, or else mlp().
  Mlp& model() { return average_ ? *average_ : mlp_; }
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::int64_t batch_size() const { return batch_; }
  std::int64_t steps() const { return steps_; }      // since training began
  std::int64_t samples() const { return samples_; }  // of this epoch
  float learning_rate() const;                       // of the next step

 private:
  void clear_progress();  // of an epoch
  void start_epoch();
  void run_step();
  void poll_check();
  void check_finite() const;
  void check_finite(const TrainingState& state, std::span<const CrossEntropySums> sums, std::int64_t steps,
                    std::int64_t samples) const;
  std::vector<CrossEntropySums> sums() const;
  std::function<void()> record_step(std::int64_t rows);
  void run_shards(std::int64_t rows);
  void sum_over_ranks();
  void run_shard(std::int64_t rows, std::int64_t s, float* gradients);
  float* partial_sum(std::size_t i) const { return i == 0 ? optimizer_.gradients() : partial_[i - 1].data(); }

  Backend* backend_;
  TrainingSettings settings_;
  const ResidentDataset* data_;
  Communicator* communicator_;
  Shards shards_;
  std::int64_t batch_;
  Mlp mlp_;
  std::optional<Mlp> average_;
  ShardWorkspaces workspaces_;
  std::int64_t steps_per_epoch_;
  Optimizer optimizer_;
  std::vector<Array<float>> partial_;  // sums of gradients that wait for their neighbours
  Array<float> zeros_;                 // the gradient of an empty shard
  Array<std::int32_t> order_;
  Array<std::int32_t> targets_;
  Array<TrainingState> state_;
  Array<CrossEntropySums> sums_;  // of each of this process's shards
  std::function<void()> whole_step_;
  std::function<void()> rest_step_;  // of the last, smaller batch, if there is one
  std::int64_t epochs_ = 0;
  std::int64_t steps_ = 0;
  std::int64_t samples_ = 0;
  std::int64_t check_interval_ = 100;

  // A look that is under way: copies of state_ and sums_ as they are after so many steps and samples of the
  // epoch.
  std::unique_ptr<HostCopy> state_copy_;
  std::unique_ptr<HostCopy> sums_copy_;
  bool check_pending_ = false;
  std::int64_t checked_steps_ = 0;
  std::int64_t checked_samples_ = 0;
};

}  // namespace softwarp
