#include "host/training/trainer.h"
#include "core/optimizer.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cmath>

namespace softwarp {
namespace {

std::int64_t first_batch(const TrainingSettings& settings, std::int64_t count) {
  return settings.batch_size == 0 ? count : std::min(settings.batch_size, count);
}

}  // namespace

Trainer::Trainer(Backend& backend, const TrainingSettings& settings, const MlpShape& shape,
                 const ResidentDataset& data, Communicator& communicator)
    : backend_(&backend),
      settings_(settings),
      data_(&data),
      communicator_(&communicator),
      shards_(settings.shards, communicator),
      batch_(first_batch(settings, data.count())),
      mlp_(backend, shape),
      workspaces_(mlp_, /*trains=*/true, settings.dropout),
      steps_per_epoch_((data.count() + batch_ - 1) / batch_),
      optimizer_(mlp_, optimizer_settings(settings, steps_per_epoch_)),
      order_(backend.make_array<std::int32_t>(data.count())),
      targets_(backend.make_array<std::int32_t>(batch_)),
      state_(backend.make_array<TrainingState>(1)),
      sums_(backend.make_array<CrossEntropySums>(shards_.end - shards_.first)),
      state_copy_(backend.make_host_copy(sizeof(TrainingState))),
      sums_copy_(backend.make_host_copy(static_cast<std::size_t>(sums_.size()) * sizeof(CrossEntropySums))) {
  if (settings.ema_decay > 0) average_.emplace(backend, shape);
  expects(settings.batch_size % settings.shards == 0, "a batch that the number of shards divides");
  for (std::int64_t shards = sums_.size(); shards > 1; shards /= 2)
    partial_.push_back(backend.make_array<float>(mlp_.layout().size));
  const std::int64_t rest = data.count() % batch_;
  if (batch_ < shards_.count || (rest > 0 && rest < shards_.count))
    zeros_ = backend.make_array<float>(mlp_.layout().size);
  whole_step_ = record_step(batch_);
  if (rest > 0) rest_step_ = record_step(rest);
  // Recording has run these steps; training begins as if it had not.
  mlp_.initialize(settings.initialization, settings.seed);
  optimizer_.clear_moments();
  if (average_) average_->set_values(std::vector<float>(static_cast<std::size_t>(mlp_.layout().size)));
  clear_progress();
}

std::function<void()> Trainer::record_step(std::int64_t rows) {
  workspaces_.prepare(shards_, rows);
  return backend_->record([this, rows] {
    run_shards(rows);
    sum_over_ranks();
    optimizer_.step(state_.data(), rows - shards_.begin(rows, shards_.end - 1));
    if (average_)
      backend_->average_parameters(mlp_.data(), average_->data(), mlp_.layout().size,
                                   static_cast<float>(settings_.ema_decay), state_.data());
  });
}

// The weights' sums have begun in run_shard, if there are no --shards.
void Trainer::sum_over_ranks() {
  const ParameterLayout& layout = mlp_.layout();
  if (settings_.shards > 1) return communicator_->sum_tree(optimizer_.gradients(), layout.size);
  communicator_->start_sum(optimizer_.gradients() + layout.decayed, layout.size - layout.decayed);
  communicator_->finish_sums();
}

// Leaves the sum of the gradients in the optimizer's, and the state at the last shard. The sums of 1, 2, 4,
// ... shards that wait for their right neighbours lie in partial_sum(0), partial_sum(1), ...: each is of as
// many shards as a binary digit of the number of shards done stands for.
void Trainer::run_shards(std::int64_t rows) {
  std::size_t waiting = 0;
  for (std::int64_t s = shards_.first; s < shards_.end; ++s) {
    const std::int64_t before = s == shards_.first ? 0 : shards_.begin(rows, s - 1);
    if (const std::int64_t more = shards_.begin(rows, s) - before; more > 0)
      backend_->advance(state_.data(), more);
    run_shard(rows, s, partial_sum(waiting++));
    for (std::int64_t done = s - shards_.first + 1; done % 2 == 0; done /= 2) {
      --waiting;
      backend_->add(partial_sum(waiting), partial_sum(waiting - 1), mlp_.layout().size);
    }
  }
}

// The share of shard s in the gradient of a batch's mean loss.
void Trainer::run_shard(std::int64_t rows, std::int64_t s, float* gradients) {
  const std::int64_t first = shards_.begin(rows, s), size = shards_.begin(rows, s + 1) - first;
  const auto start_sum = [&](const ParameterTensor& weight) {
    if (settings_.shards == 1) communicator_->start_sum(gradients + weight.offset, weight.size());
  };
  if (size == 0) {
    backend_->copy(zeros_.data(), gradients, mlp_.layout().size);
    for (std::int64_t i = mlp_.shape().layers() - 1; i >= 0; --i) start_sum(mlp_.layout().weight(i));
    return;
  }
  MlpWorkspace& workspace = workspaces_.of(size);
  const TrainingState* state = state_.data();
  if (settings_.augmentation == Augmentation{})
    backend_->gather_batch(data_->view(), order_.data(), state, workspace.input(), targets_.data());
  else
    backend_->augment_batch(data_->view(), order_.data(), state, settings_.augmentation, workspace.input(),
                            targets_.data());
  workspace.forward(state, first);
  // The gradient takes the logits' place.
  backend_->softmax_cross_entropy(
      workspace.logits(), targets_.data(),
      {.label_smoothing = settings_.label_smoothing, .assume_all_valid = true, .batch_rows = rows},
      /*losses=*/nullptr, workspace.logits(), sums_.data() + (s - shards_.first));
  workspace.backward(gradients, state, first, start_sum);
}

void Trainer::clear_progress() {
  const TrainingState state{.seed = settings_.seed, .step = steps_, .position = 0, .epoch = epochs_};
  const std::vector<CrossEntropySums> zero(static_cast<std::size_t>(sums_.size()));
  backend_->upload<TrainingState>({&state, 1}, state_.data());
  backend_->upload<CrossEntropySums>(zero, sums_.data());
  samples_ = 0;
  check_pending_ = false;
}

void Trainer::start_epoch() {
  clear_progress();
  backend_->permutation(settings_.seed, epochs_, order_.data(), data_->count());
}

void Trainer::run_epoch(const std::function<bool()>& more) {
  const Backend::Range epoch(*backend_, "epoch");
  start_epoch();
  for (std::int64_t i = 0; i < steps_per_epoch_; ++i) {
    run_step();
    if (!more()) break;
  }
  ++epochs_;
  check_finite();
}

void Trainer::run_step() {
  const Backend::Range step(*backend_, "step");
  const std::int64_t left = data_->count() - samples_;
  (left >= batch_ ? whole_step_ : rest_step_)();
  samples_ += std::min(left, batch_);
  ++steps_;
  if (steps_ % check_interval_ == 0) poll_check();
}

TrainerState Trainer::state() const {
  return {.epochs = epochs_,
          .steps = steps_,
          .values = mlp_.values(),
          .first_moment = optimizer_.first_moment(),
          .second_moment = optimizer_.second_moment(),
          .average = average_ ? average_->values() : std::vector<float>{}};
}

void Trainer::restore(const TrainerState& state) {
  mlp_.set_values(state.values);
  optimizer_.set_moments(state.first_moment, state.second_moment);
  if (average_) average_->set_values(state.average);
  epochs_ = state.epochs;
  steps_ = state.steps;
}

// Never waits for the device: a look is over when its copies have arrived, which on a GPU is some steps
// later. Until then there is no other. One of several ranks does wait for the look before, as steps that wait
// for another rank would fill the queue of the device, and then the call that launches a step would wait,
// where nobody looks after that rank. The device has the steps since that look to do meanwhile.
void Trainer::poll_check() {
  if (check_interval_ == 1) return check_finite();
  const auto arrived = [this] { return state_copy_->has_arrived() && sums_copy_->has_arrived(); };
  if (check_pending_ && communicator_->size() > 1) communicator_->wait_until(arrived);
  const auto finish = [&] {
    if (!check_pending_ || !arrived()) return;
    check_pending_ = false;
    check_finite(
        *static_cast<const TrainingState*>(state_copy_->data()),
        {static_cast<const CrossEntropySums*>(sums_copy_->data()), static_cast<std::size_t>(sums_.size())},
        checked_steps_, checked_samples_);
  };
  finish();
  if (check_pending_) return;
  state_copy_->start(state_.data());
  sums_copy_->start(sums_.data());
  check_pending_ = true;
  checked_steps_ = steps_;
  checked_samples_ = samples_;
  finish();
}

void Trainer::check_finite() const {
  check_finite(backend_->download(state_.data()), sums(), steps_, samples_);
}

std::vector<CrossEntropySums> Trainer::sums() const {
  std::vector<CrossEntropySums> sums(static_cast<std::size_t>(sums_.size()));
  backend_->download<CrossEntropySums>(sums_.data(), sums);
  return sums;
}

// Both are looked for, since a GPU's fused ReLU turns NaN into 0, and a loss may be infinite where its
// gradient is not. A mean of 1000 nats is no network that errs, but one whose weights have flown away.
void Trainer::check_finite(const TrainingState& state, std::span<const CrossEntropySums> sums,
                           std::int64_t steps, std::int64_t samples) const {
  constexpr double kExploded = 1000;
  const std::int64_t before = steps - (samples + batch_ - 1) / batch_;
  const auto fail = [](std::int64_t step, const std::string& found) {
    throw Diverged(
        fmt::format("training diverged in step {}: expected a finite loss and finite parameters, found {}; "
                    "try a lower learning rate",
                    step, found));
  };
  std::int64_t of_loss = INT64_MAX, s = shards_.first;
  double exploded = 0;
  for (const CrossEntropySums& of_shard : sums) {
    const std::int64_t rows =
        std::max<std::int64_t>(shards_.begin(batch_, s + 1) - shards_.begin(batch_, s), 1);
    ++s;
    if (of_shard.rows == 0) continue;
    if (!std::isfinite(of_shard.loss)) of_loss = std::min(of_loss, before + of_shard.finite_rows / rows + 1);
    exploded = std::max(exploded, of_shard.loss / of_shard.weight);
  }
  if (of_loss < INT64_MAX && (of_loss <= state.first_nonfinite_step || state.first_nonfinite_step == 0))
    fail(of_loss, "a loss that is not");
  if (state.first_nonfinite_step > 0) fail(state.first_nonfinite_step, "parameters that are not");
  if (exploded > kExploded) fail(steps, fmt::format("a mean loss of {:.3g}", exploded));
}

float Trainer::learning_rate() const {
  return softwarp::learning_rate(optimizer_.settings().schedule, steps_);
}

}  // namespace softwarp
