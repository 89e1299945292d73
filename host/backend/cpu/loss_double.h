#pragma once

#include "host/backend/cpu/loss_batch.h"

namespace softwarp::cpu {

// The rows' losses into batch.losses, and the gradients, in double. Targets are classes or ignored.
void cross_entropy_double(const BasicLossBatch<double>& batch);

}  // namespace softwarp::cpu
