#include "host/training/evaluation.h"

#include <softwarp/error.h>

#include <algorithm>
#include <string>

#include "host/model/model_file.h"

namespace softwarp {
namespace {

constexpr std::int64_t kBatch = 1000;

}  // namespace

Score score_of(const CrossEntropySums& sums) {
  return {.loss = sums.loss / sums.weight,
          .accuracy = static_cast<double>(sums.correct) / static_cast<double>(sums.rows),
          .images = sums.rows};
}

Evaluation::Evaluation(const Mlp& mlp, const ResidentDataset& data)
    : mlp_(&mlp), data_(&data), whole_(mlp, std::min(kBatch, data.count()), /*trains=*/false) {
  Backend& backend = mlp.backend();
  if (const std::int64_t rest = data.count() % whole_.batch(); rest > 0)
    rest_ = std::make_unique<MlpWorkspace>(mlp, rest, /*trains=*/false);
  targets_ = backend.make_array<std::int32_t>(whole_.batch());
  state_ = backend.make_array<TrainingState>(1);
  sums_ = backend.make_array<CrossEntropySums>(1);
}

Score Evaluation::run() { return run_all(nullptr); }

Score Evaluation::run(std::vector<float>& probabilities) {
  probabilities.resize(static_cast<std::size_t>(data_->count() * mlp_->shape().classes));
  return run_all(probabilities.data());
}

Score Evaluation::run_all(float* probabilities) {
  Backend& backend = mlp_->backend();
  const Backend::Range evaluation(backend, "evaluation");
  const TrainingState start;
  const CrossEntropySums zero;
  backend.upload<TrainingState>({&start, 1}, state_.data());
  backend.upload<CrossEntropySums>({&zero, 1}, sums_.data());

  const std::int64_t classes = mlp_->shape().classes;
  for (std::int64_t done = 0; done < data_->count();) {
    MlpWorkspace& workspace = data_->count() - done >= whole_.batch() ? whole_ : *rest_;
    run_batch(workspace, probabilities);
    if (probabilities != nullptr) probabilities += workspace.batch() * classes;
    done += workspace.batch();
  }
  return score_of(backend.download(sums_.data()));
}

void Evaluation::run_batch(MlpWorkspace& workspace, float* probabilities) {
  Backend& backend = mlp_->backend();
  backend.gather_batch(data_->view(), /*order=*/nullptr, state_.data(), workspace.input(), targets_.data());
  workspace.forward();
  const MatrixView<float> logits = workspace.logits();
  backend.softmax_cross_entropy(logits, targets_.data(), {.assume_all_valid = true}, nullptr, {},
                                sums_.data());
  backend.advance(state_.data(), workspace.batch());
  if (probabilities == nullptr) return;
  backend.softmax(logits, logits);
  backend.download<float>(logits.data, {probabilities, static_cast<std::size_t>(logits.size())});
}

Score evaluate(Backend& backend, const Model& model, const Dataset& data, std::vector<float>* probabilities) {
  if (const std::string why = misfit(model, data); !why.empty()) throw Error(why);
  Mlp mlp(backend, model.shape);
  mlp.set_values(model.values);
  const ResidentDataset resident(backend, data);
  Evaluation evaluation(mlp, resident);
  return probabilities != nullptr ? evaluation.run(*probabilities) : evaluation.run();
}

}  // namespace softwarp
