#pragma once

#include <vector>

#include "bench/softmax_problem.h"

namespace softwarp {

// Register one benchmark for each op, shape and type of element.
void add_cpu_benchmarks(const std::vector<SoftmaxShape>& shapes);
// Nothing where no device can be used.
void add_cuda_benchmarks(const std::vector<SoftmaxShape>& shapes);

}  // namespace softwarp
