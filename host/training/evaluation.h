#pragma once

#include <softwarp/train.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "host/communicator/communicator.h"
#include "host/data/resident.h"
#include "host/model/mlp.h"
#include "host/training/shards.h"

namespace softwarp {

// Runs an Mlp over a whole data set, again and again as its parameters change; each batch in shards, of which
// a process computes its own. Mlp, data and communicator must outlive it.
class Evaluation {
 public:
  Evaluation(const Mlp& mlp, const ResidentDataset& data, std::int64_t shards = 1,
             Communicator& communicator = single_process());

  [[nodiscard]] Score run();
  // The same, and the softmax of every image's logits, [images, classes], on the host.
  Score run(std::vector<float>& probabilities);

 private:
  Score run_all(float* probabilities);
  void run_batch(std::int64_t rows, float* probabilities);
  void run_shard(std::int64_t rows, CrossEntropySums* sums, float* probabilities);
  void gather(std::vector<float>& probabilities) const;
  std::int64_t batch_at(std::int64_t image) const { return std::min(batch_, data_->count() - image); }

  const Mlp* mlp_;
  const ResidentDataset* data_;
  Communicator* communicator_;
  Shards shards_;
  std::int64_t batch_;
  ShardWorkspaces workspaces_;
  Array<std::int32_t> targets_;
  Array<TrainingState> state_;
  Array<CrossEntropySums> sums_;
};

}  // namespace softwarp
