// What a training step costs beside its matrix products: an epoch of SGD on MNIST-sized random data, and the
// same number of bare oneDNN products of the same shapes, one after the other in one process. `ratio` is the
// median of their quotients; 1 would mean that gathering, activations, loss, update and shuffling were free.

#include <benchmark/benchmark.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <dnnl.hpp>
#include <random>
#include <unordered_map>

#include "host/data/resident.h"
#include "host/training/trainer.h"

namespace softwarp {
namespace {

using dnnl::memory;

constexpr std::int64_t kImages = 60000;

const Dataset& random_images() {
  static const Dataset data = [] {
    Dataset made{.name = "random",
                 .images = std::vector<std::uint8_t>(kImages * 784),
                 .labels = std::vector<std::uint8_t>(kImages),
                 .count = kImages,
                 .height = 28,
                 .width = 28,
                 .classes = 10,
                 .max_pixel = 255};
    std::mt19937 random(1);
    for (auto& pixel : made.images) pixel = static_cast<std::uint8_t>(random());
    for (auto& label : made.labels) label = static_cast<std::uint8_t>(random() % 10);
    return made;
  }();
  return data;
}

// c [m, n] = a [m, k] b [k, n]; a transposed operand is stored the other way round.
class BareProduct {
 public:
  BareProduct(std::int64_t m, std::int64_t n, std::int64_t k, bool a_transposed, bool b_transposed)
      : stream_(engine()) {
    const auto random_memory = [](std::int64_t rows, std::int64_t cols, bool transposed) {
      const memory::dims strides = transposed ? memory::dims{1, rows} : memory::dims{cols, 1};
      memory made({{rows, cols}, memory::data_type::f32, strides}, engine());
      std::mt19937 random(1);
      auto* values = static_cast<float*>(made.get_data_handle());
      for (std::int64_t i = 0; i < rows * cols; ++i) values[i] = static_cast<float>(random()) * 0x1p-32f;
      return made;
    };
    const memory a = random_memory(m, k, a_transposed), b = random_memory(k, n, b_transposed);
    const memory c = random_memory(m, n, false);
    product_ = dnnl::matmul({{a.get_desc(), b.get_desc(), c.get_desc()}, engine()});
    arguments_ = {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}};
  }
  void run() { product_.execute(stream_, arguments_); }

 private:
  static const dnnl::engine& engine() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
  }
  dnnl::stream stream_;
  dnnl::matmul product_;
  std::unordered_map<int, memory> arguments_;
};

std::vector<BareProduct> bare_step(const MlpShape& shape, std::int64_t batch) {
  std::vector<BareProduct> products;
  for (std::int64_t i = 0; i < shape.layers(); ++i) {
    const std::int64_t inputs = shape.width(i), outputs = shape.width(i + 1);
    products.emplace_back(batch, outputs, inputs, false, true);              // z = x wᵀ
    products.emplace_back(outputs, inputs, batch, true, false);              // dw = dzᵀ x
    if (i > 0) products.emplace_back(batch, inputs, outputs, false, false);  // dx = dz w
  }
  return products;
}

template <class F>
double seconds_of(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void step_against_its_products(benchmark::State& state, const std::vector<std::int64_t>& hidden) {
  const auto threads = static_cast<int>(state.range(0));
  const auto batch = state.range(1);
  const auto backend = make_cpu_backend(threads);
  TrainingSettings settings;
  settings.hidden = hidden;
  settings.dropout = {0, 0};
  settings.optimizer = OptimizerKind::sgd;
  settings.schedule = ScheduleKind::constant;
  settings.rate = 0.01;
  settings.batch_size = batch;
  const ResidentDataset data(*backend, random_images());
  const MlpShape shape{784, hidden, 10, Activation::relu};
  Trainer trainer(*backend, settings, shape, data);
  omp_set_num_threads(threads);
  std::vector<BareProduct> products = bare_step(shape, batch);

  std::vector<double> steps, bare, ratios;
  const auto count = trainer.steps_per_epoch();
  for (auto _ : state) {
    steps.push_back(seconds_of([&] { trainer.run_epoch([] { return true; }); }) / static_cast<double>(count));
    bare.push_back(seconds_of([&] {
                     for (std::int64_t i = 0; i < count; ++i)
                       for (BareProduct& product : products) product.run();
                   }) /
                   static_cast<double>(count));
    ratios.push_back(steps.back() / bare.back());
    state.SetIterationTime(steps.back());
  }
  state.counters["step_us"] = 1e6 * median(steps);
  state.counters["gemm_us"] = 1e6 * median(bare);
  state.counters["ratio"] = median(ratios);
  state.counters["samples/s"] = static_cast<double>(kImages) / static_cast<double>(count) / median(steps);
}

void threads_and_batch(benchmark::internal::Benchmark* b) {
  b->ArgNames({"threads", "batch"})->UseManualTime()->Iterations(9)->Unit(benchmark::kMicrosecond);
  b->Args({1, 128});
  if (omp_get_num_procs() > 1) b->Args({omp_get_num_procs(), 128});
}

BENCHMARK_CAPTURE(step_against_its_products, 784 - 128 - 10, {128})->Apply(threads_and_batch);
BENCHMARK_CAPTURE(step_against_its_products, 784 - 512 - 512 - 10, {512, 512})->Apply(threads_and_batch);

}  // namespace
}  // namespace softwarp

BENCHMARK_MAIN();
