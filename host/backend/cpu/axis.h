#pragma once

#include "host/backend/row_ops.h"

// The ops of softmax.h over the middle axis of packed tensors, of any type.
namespace softwarp::cpu {

void forward_axis(RowFunction function, const AxisShape& shape, const void* x, void* y);
void backward_axis(RowFunction function, const AxisShape& shape, const void* y, const void* dy, void* dx);

}  // namespace softwarp::cpu
