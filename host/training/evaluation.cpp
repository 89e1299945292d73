#include "host/training/evaluation.h"

#include <softwarp/error.h>

#include <algorithm>
#include <string>

#include "host/model/model_file.h"

namespace softwarp {
namespace {

constexpr std::int64_t kBatch = 1000;

}  // namespace

Evaluation::Evaluation(const Mlp& mlp, const ResidentDataset& data, std::int64_t shards,
                       Communicator& communicator)
    : mlp_(&mlp),
      data_(&data),
      communicator_(&communicator),
      shards_(shards, communicator),
      batch_(std::min(kBatch, data.count())),
      workspaces_(mlp, /*trains=*/false) {
  Backend& backend = mlp.backend();
  workspaces_.prepare(shards_, batch_);
  if (batch_ > 0) workspaces_.prepare(shards_, data.count() % batch_);
  targets_ = backend.make_array<std::int32_t>(batch_);
  state_ = backend.make_array<TrainingState>(1);
  sums_ = backend.make_array<CrossEntropySums>(shards_.end - shards_.first);
}

Score Evaluation::run() { return run_all(nullptr); }

Score Evaluation::run(std::vector<float>& probabilities) {
  probabilities.resize(static_cast<std::size_t>(data_->count() * mlp_->shape().classes));
  const Score score = run_all(probabilities.data());
  if (communicator_->size() > 1) gather(probabilities);
  return score;
}

Score Evaluation::run_all(float* probabilities) {
  Backend& backend = mlp_->backend();
  const Backend::Range evaluation(backend, "evaluation");
  const TrainingState start;
  std::vector<CrossEntropySums> sums(static_cast<std::size_t>(sums_.size()));
  backend.upload<TrainingState>({&start, 1}, state_.data());
  backend.upload<CrossEntropySums>(sums, sums_.data());

  const std::int64_t classes = mlp_->shape().classes;
  for (std::int64_t done = 0; done < data_->count(); done += batch_)
    run_batch(batch_at(done), probabilities != nullptr ? probabilities + done * classes : nullptr);
  backend.download<CrossEntropySums>(sums_.data(), sums);
  return score_of(sums, *communicator_);
}

// This process's shards of a batch of `rows`.
void Evaluation::run_batch(std::int64_t rows, float* probabilities) {
  std::int64_t done = 0;
  for (std::int64_t s = shards_.first; s < shards_.end; ++s) {
    const std::int64_t begin = shards_.begin(rows, s), end = shards_.begin(rows, s + 1);
    if (begin == end) continue;
    if (begin > done) mlp_->backend().advance(state_.data(), begin - done);
    done = begin;
    run_shard(end - begin, sums_.data() + (s - shards_.first),
              probabilities != nullptr ? probabilities + begin * mlp_->shape().classes : nullptr);
  }
  mlp_->backend().advance(state_.data(), rows - done);
}

void Evaluation::run_shard(std::int64_t rows, CrossEntropySums* sums, float* probabilities) {
  Backend& backend = mlp_->backend();
  MlpWorkspace& workspace = workspaces_.of(rows);
  backend.gather_batch(data_->view(), /*order=*/nullptr, state_.data(), workspace.input(), targets_.data());
  workspace.forward();
  const MatrixView<float> logits = workspace.logits();
  backend.softmax_cross_entropy(logits, targets_.data(), {.assume_all_valid = true}, nullptr, {}, sums);
  if (probabilities == nullptr) return;
  backend.softmax(logits, logits);
  backend.download<float>(logits.data, {probabilities, static_cast<std::size_t>(logits.size())});
}

// Every process's probabilities, which lie in each batch side by side in the order of ranks.
void Evaluation::gather(std::vector<float>& probabilities) const {
  const std::int64_t row_bytes = mlp_->shape().classes * static_cast<std::int64_t>(sizeof(float));
  char* const all = reinterpret_cast<char*>(probabilities.data());
  const std::int64_t each = shards_.end - shards_.first;
  // part(at, bytes) for each batch's part of the shards from `first` on.
  const auto for_parts = [&](std::int64_t first, auto part) {
    for (std::int64_t done = 0; done < data_->count(); done += batch_) {
      const std::int64_t rows = batch_at(done), begin = shards_.begin(rows, first);
      part(all + (done + begin) * row_bytes,
           static_cast<std::size_t>((shards_.begin(rows, first + each) - begin) * row_bytes));
    }
  };
  std::string mine;
  for_parts(shards_.first, [&](const char* at, std::size_t bytes) { mine.append(at, bytes); });
  std::int64_t first = 0;
  for (const std::string& of_rank : communicator_->gather(mine)) {
    std::size_t read = 0;
    for_parts(first, [&](char* at, std::size_t bytes) { read += of_rank.copy(at, bytes, read); });
    first += each;
  }
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
