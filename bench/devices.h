#pragma once

// The devices of the benchmarks that compare them.

#include <benchmark/benchmark.h>
#include <omp.h>
#include <softwarp/backend.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/bare_products.h"

namespace softwarp {

struct BenchDevice {
  std::string name;  // cpu1, cpu2 (threads), cuda
  std::function<std::unique_ptr<Backend>(const CudaOptions&)> make;
  // As the device's library does them by itself, with as many threads.
  std::function<std::unique_ptr<BareProducts>(const std::vector<BareProduct>&)> make_products;
  bool is_cuda = false;
};

inline std::vector<BenchDevice> bench_devices() {
  std::vector<BenchDevice> devices;
  const auto add_cpu = [&](int threads) {
    devices.push_back({"cpu" + std::to_string(threads),
                       [threads](const CudaOptions&) { return make_cpu_backend(threads); },
                       [threads](const std::vector<BareProduct>& products) {
                         omp_set_num_threads(threads);
                         return make_onednn_products(products);
                       }});
  };
  add_cpu(1);
  if (omp_get_num_procs() > 1) add_cpu(omp_get_num_procs());
  if (cuda_unavailable_reason().empty())
    devices.push_back({"cuda", [](const CudaOptions& options) { return make_cuda_backend(options); },
                       make_cublaslt_products, /*is_cuda=*/true});
  return devices;
}

// Seconds of one run, of `runs` in a row, by the host's clock. `wait` returns once what was asked for is
// done.
template <class Work, class Wait>
double seconds_of(int runs, Work work, Wait wait) {
  wait();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < runs; ++i) work();
  wait();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / runs;
}
template <class Work>
double seconds_of(int runs, Work work) {
  return seconds_of(runs, work, [] {});
}

}  // namespace softwarp
