// Softmax, its logarithm, their backwards and cross-entropy with its gradient, on every device there is, each
// beside a copy of the bytes that must move: the roof.

#include <benchmark/benchmark.h>

#include <dnnl.hpp>
#include <vector>

#include "bench/softmax_bench.h"
#include "host/backend/backend.h"
#include "host/backend/cuda/cuda_backend.h"

namespace softwarp {
namespace {

// MNIST's classes, a hidden layer, attention rows, vocabularies: 4 Mi elements, or fewer where rows are
// short.
const std::vector<SoftmaxShape> kCpuShapes = {
    {4096, 10}, {4096, 128}, {4096, 1024}, {1024, 8192}, {128, 131072}};

// 64 Mi elements, few rows that are long, and 4096x10, which shows what a launch costs.
std::vector<SoftmaxShape> cuda_shapes() {
  constexpr std::int64_t kElements = std::int64_t{64} << 20;
  std::vector<SoftmaxShape> shapes = {{4096, 10}};
  for (const std::int64_t cols :
       {10, 32, 128, 512, 1000, 1024, 2048, 4096, 8192, 16384, 32768, 50257, 65536, 131072, 262144})
    shapes.push_back({kElements / cols, cols});
  for (const std::int64_t rows : {1, 4, 16})
    for (const std::int64_t cols : {32768, 262144}) shapes.push_back({rows, cols});
  return shapes;
}

}  // namespace
}  // namespace softwarp

int main(int argc, char** argv) {
  using namespace softwarp;
  // A plan that oneDNN made for one thread would otherwise serve two, on one.
  dnnl::set_primitive_cache_capacity(0);
  add_cpu_benchmarks(kCpuShapes);
  add_cuda_benchmarks(cuda_shapes());
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("cpu", make_cpu_backend()->name());
  const std::string refusal = cuda_refusal();
  benchmark::AddCustomContext("gpu", refusal.empty() ? cuda_devices().front().name : refusal);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
