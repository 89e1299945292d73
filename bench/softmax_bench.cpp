// Softmax, its logarithm, their backwards and cross-entropy with its gradient, on every device there is, each
// beside a copy of the bytes that must move: the roof.

#include "bench/softmax_bench.h"

#include "bench/main.h"

namespace softwarp {
namespace {

// MNIST's classes, a hidden layer, attention rows, vocabularies: 4 Mi elements, or fewer where rows are
// short.
const std::vector<SoftmaxShape> kCpuShapes = {{4096, 10},   {4096, 128},   {4096, 1024},
                                              {1024, 8192}, {128, 131072}, {16, 262144}};

// 64 Mi elements, few rows that are long, 4096x10, which shows what a launch costs, and what others publish.
std::vector<SoftmaxShape> cuda_shapes() {
  constexpr std::int64_t kElements = std::int64_t{64} << 20;
  std::vector<SoftmaxShape> shapes = {{4096, 10}, {32768, 256}};
  for (const std::int64_t cols :
       {10, 32, 128, 512, 1000, 1024, 2048, 4096, 8192, 16384, 32768, 50257, 65536, 131072, 262144})
    shapes.push_back({kElements / cols, cols});
  for (const std::int64_t rows : {1, 4, 16})
    for (const std::int64_t cols : {32768, 262144}) shapes.push_back({rows, cols});
  return shapes;
}

}  // namespace

void add_benchmarks() {
  add_cpu_benchmarks(kCpuShapes);
  add_cuda_benchmarks(cuda_shapes());
}

}  // namespace softwarp
