#pragma once

#include "host/backend/row_ops.h"

namespace softwarp::cpu {

// Logits of any type. Throws std::invalid_argument, and has computed nothing, if a target is neither a class
// nor ignored.
void cross_entropy(const Loss& loss);

}  // namespace softwarp::cpu
