// In place of what needs the CUDA toolkit.

#include <softwarp/error.h>

#include "bench/bare_products.h"
#include "bench/softmax_bench.h"

namespace softwarp {

void add_cuda_benchmarks(const std::vector<SoftmaxShape>&) {}

std::unique_ptr<BareProducts> make_cublaslt_products(const std::vector<BareProduct>&) {
  throw Error("this build has no cuBLASLt");
}

}  // namespace softwarp
