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
                 const ResidentDataset& data)
    : backend_(&backend),
      settings_(settings),
      data_(&data),
      mlp_(backend, shape),
      whole_(mlp_, first_batch(settings, data.count()), /*trains=*/true, settings.dropout),
      steps_per_epoch_((data.count() + whole_.batch() - 1) / whole_.batch()),
      optimizer_(mlp_, optimizer_settings(settings, steps_per_epoch_)),
      order_(backend.make_array<std::int32_t>(data.count())),
      targets_(backend.make_array<std::int32_t>(whole_.batch())),
      state_(backend.make_array<TrainingState>(1)),
      sums_(backend.make_array<CrossEntropySums>(1)),
      state_copy_(backend.make_host_copy(sizeof(TrainingState))),
      sums_copy_(backend.make_host_copy(sizeof(CrossEntropySums))) {
  if (settings.ema_decay > 0) average_.emplace(backend, shape);
  whole_step_ = record_step(whole_);
  if (const std::int64_t rest = data.count() % whole_.batch(); rest > 0) {
    rest_ = std::make_unique<MlpWorkspace>(mlp_, rest, /*trains=*/true, settings.dropout);
    rest_step_ = record_step(*rest_);
  }
  // Recording has run these steps; training begins as if it had not.
  mlp_.initialize(settings.initialization, settings.seed);
  optimizer_.clear_moments();
  if (average_) average_->set_values(std::vector<float>(static_cast<std::size_t>(mlp_.layout().size)));
  clear_progress();
}

std::function<void()> Trainer::record_step(MlpWorkspace& workspace) {
  return backend_->record([this, &workspace] {
    TrainingState* state = state_.data();
    if (settings_.augmentation == Augmentation{})
      backend_->gather_batch(data_->view(), order_.data(), state, workspace.input(), targets_.data());
    else
      backend_->augment_batch(data_->view(), order_.data(), state, settings_.augmentation, workspace.input(),
                              targets_.data());
    workspace.forward(state);
    // The gradient takes the logits' place.
    backend_->softmax_cross_entropy(workspace.logits(), targets_.data(),
                                    {.label_smoothing = settings_.label_smoothing, .assume_all_valid = true},
                                    /*losses=*/nullptr, workspace.logits(), sums_.data());
    workspace.backward(optimizer_.gradients(), state);
    optimizer_.step(state, workspace.batch());
    if (average_)
      backend_->average_parameters(mlp_.data(), average_->data(), mlp_.layout().size,
                                   static_cast<float>(settings_.ema_decay), state);
  });
}

void Trainer::clear_progress() {
  const TrainingState state{.seed = settings_.seed, .step = steps_, .position = 0, .epoch = epochs_};
  const CrossEntropySums zero;
  backend_->upload<TrainingState>({&state, 1}, state_.data());
  backend_->upload<CrossEntropySums>({&zero, 1}, sums_.data());
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
  const bool whole = data_->count() - samples_ >= whole_.batch();
  (whole ? whole_step_ : rest_step_)();
  samples_ += whole ? whole_.batch() : rest_->batch();
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
// later. Until then there is no other.
void Trainer::poll_check() {
  if (check_interval_ == 1) return check_finite();
  const auto finish = [this] {
    if (!check_pending_ || !state_copy_->has_arrived() || !sums_copy_->has_arrived()) return;
    check_pending_ = false;
    check_finite(*static_cast<const TrainingState*>(state_copy_->data()),
                 *static_cast<const CrossEntropySums*>(sums_copy_->data()), checked_steps_, checked_samples_);
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
  check_finite(backend_->download(state_.data()), backend_->download(sums_.data()), steps_, samples_);
}

// Both are looked for, since a GPU's fused ReLU turns NaN into 0, and a loss may be infinite where its
// gradient is not. A mean of 1000 nats is no network that errs, but one whose weights have flown away.
void Trainer::check_finite(const TrainingState& state, const CrossEntropySums& sums, std::int64_t steps,
                           std::int64_t samples) const {
  constexpr double kExploded = 1000;
  const std::int64_t before = steps - (samples + whole_.batch() - 1) / whole_.batch();
  const auto fail = [](std::int64_t step, const std::string& found) {
    throw Error(
        fmt::format("training diverged in step {}: expected a finite loss and finite parameters, found {}; "
                    "try a lower learning rate",
                    step, found));
  };
  const bool finite = std::isfinite(sums.loss);
  const std::int64_t of_loss = finite ? INT64_MAX : before + sums.finite_rows / whole_.batch() + 1;
  if (of_loss <= state.first_nonfinite_step || (state.first_nonfinite_step == 0 && !finite))
    fail(of_loss, "a loss that is not");
  if (state.first_nonfinite_step > 0) fail(state.first_nonfinite_step, "parameters that are not");
  if (const double loss = score_of(sums).loss; loss > kExploded)
    fail(steps, fmt::format("a mean loss of {:.3g}", loss));
}

Score Trainer::running_score() const { return score_of(backend_->download(sums_.data())); }

float Trainer::learning_rate() const {
  return softwarp::learning_rate(optimizer_.settings().schedule, steps_);
}

}  // namespace softwarp
