#include "bench/main.h"

#include <benchmark/benchmark.h>
#include <softwarp/backend.h>

#include <dnnl.hpp>

int main(int argc, char** argv) {
  using namespace softwarp;
  // A plan that oneDNN made for one thread would otherwise serve two, on one.
  dnnl::set_primitive_cache_capacity(0);
  add_benchmarks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("cpu", make_cpu_backend()->name());
  const std::string unavailable_reason = cuda_unavailable_reason();
  benchmark::AddCustomContext("gpu",
                              unavailable_reason.empty() ? cuda_devices().front().name : unavailable_reason);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
