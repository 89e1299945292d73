#pragma once

#include <softwarp/train.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "host/data/resident.h"
#include "host/model/mlp.h"
#include "host/model/mlp_workspace.h"

namespace softwarp {

[[nodiscard]] Score score_of(const CrossEntropySums& sums);

// Runs an Mlp over a whole data set, again and again as its parameters change. Mlp and data must outlive it.
class Evaluation {
 public:
  Evaluation(const Mlp& mlp, const ResidentDataset& data);

  [[nodiscard]] Score run();
  // The same, and the softmax of every image's logits, [images, classes], on the host.
  Score run(std::vector<float>& probabilities);

 private:
  Score run_all(float* probabilities);
  void run_batch(MlpWorkspace& workspace, float* probabilities);

  const Mlp* mlp_;
  const ResidentDataset* data_;
  MlpWorkspace whole_;
  std::unique_ptr<MlpWorkspace> rest_;  // the last, smaller batch, if there is one
  Array<std::int32_t> targets_;
  Array<TrainingState> state_;
  Array<CrossEntropySums> sums_;
};

}  // namespace softwarp
