#pragma once

#include <softwarp/train.h>

#include <cstdint>
#include <vector>

#include "tests/ops/ops_testing.h"

namespace softwarp {

// The learning rate of a step, counted from 0, by the schedules' definitions: warm-up counts whole steps, the
// nearest number of them.
double defined_rate(const TrainingSettings& settings, std::int64_t steps_per_epoch, std::int64_t step);

struct ReferenceTraining {
  // Those that train() returns: the last epoch's, or those of the lowest validation loss; averaged, if
  // wanted.
  Doubles values;
  std::vector<EpochRecord> history;  // without times
  Score test;
};

// train() in double, from its definition alone and by finite differences: for small networks. Only the random
// words and the split are those of the library.
ReferenceTraining reference_train(const TrainingSettings& settings, const DataPair& data);

// Small pictures, 2 by 3 pixels, of three classes that overlap: 23 to train on, 11 to test.
DataPair small_data();

// AdamW at a constant rate with dropout, for 3 epochs of 5 steps.
TrainingSettings small_settings();
// SGD with momentum for 12 epochs of 4 steps, with 7 images held out. Their loss falls to epoch 2, rises, and
// falls lower still in epoch 10.
TrainingSettings held_out_settings();

}  // namespace softwarp
