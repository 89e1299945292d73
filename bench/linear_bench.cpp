// Linear layers with their bias, activation and gradients, forward and backward, beside the bare products of
// the same shapes; on a GPU also with what --tune would choose. GFLOP/s count the products
// alone.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <random>

#include "bench/bare_products.h"
#include "bench/comparison.h"
#include "bench/devices.h"
#include "bench/main.h"

namespace softwarp {
namespace {

struct LayerShape {
  std::int64_t batch, inputs, outputs;
};
constexpr LayerShape kShapes[] = {
    {128, 784, 128}, {128, 784, 512}, {128, 512, 512}, {128, 512, 10}, {2048, 784, 512}};

// A layer and everything it touches.
class Layer {
 public:
  Layer(const BenchDevice& device, const LayerShape& s, const CudaOptions& options)
      : backend_(device.make(options)),
        x_(random_matrix(s.batch, s.inputs)),
        w_(random_matrix(s.outputs, s.inputs)),
        y_(random_matrix(s.batch, s.outputs)),
        dz_(random_matrix(s.batch, s.outputs)),
        dx_(backend_->make_matrix(s.batch, s.inputs)),
        dw_(backend_->make_matrix(s.outputs, s.inputs)),
        b_(backend_->make_array<float>(s.outputs)),
        db_(backend_->make_array<float>(s.outputs)),
        layer_(backend_->make_linear(
            {.batch = s.batch, .inputs = s.inputs, .outputs = s.outputs, .activation = Activation::relu})) {}

  double forward_seconds() {
    return seconds_of(
        kRuns, [this] { layer_->forward(x_.view(), w_.view(), b_.data(), y_.view()); },
        [this] { backend_->wait(); });
  }
  double backward_seconds() {
    return seconds_of(
        kRuns,
        [this] {
          layer_->backward_weights(x_.view(), dz_.view(), dw_.view(), db_.data());
          layer_->backward_input(dz_.view(), w_.view(), dx_.view());
        },
        [this] { backend_->wait(); });
  }

  static constexpr int kRuns = 10;

 private:
  Matrix random_matrix(std::int64_t rows, std::int64_t cols) {
    Matrix matrix = backend_->make_matrix(rows, cols);
    std::mt19937 random(1);
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    for (float& v : values) v = static_cast<float>(random()) * 0x1p-32f - 0.5f;
    backend_->upload<float>(values, matrix.data());
    return matrix;
  }

  std::unique_ptr<Backend> backend_;
  Matrix x_, w_, y_, dz_, dx_, dw_;
  Array<float> b_, db_;
  std::unique_ptr<Linear> layer_;
};

void compare(benchmark::State& state, const BenchDevice& device, const LayerShape& s, bool backward) {
  Layer layer(device, s, {});
  std::vector<BareProduct> products = {{s.batch, s.outputs, s.inputs, false, true}};
  if (backward)
    products = {{s.outputs, s.inputs, s.batch, true, false}, {s.batch, s.inputs, s.outputs, false, false}};
  const auto bare = device.make_products(products);
  const auto seconds = [backward](Layer& l) { return backward ? l.backward_seconds() : l.forward_seconds(); };
  Comparison contest;
  contest.add({"ours", [&] { return seconds(layer); }});
  contest.add({"bare", [&] { return bare->seconds(Layer::kRuns); }});
  std::unique_ptr<Layer> tuned;
  if (device.is_cuda) {
    tuned = std::make_unique<Layer>(device, s, CudaOptions{.tune = true});
    contest.add({"tuned", [&] { return seconds(*tuned); }});
  }
  contest.run(state);
  const double flop = 2.0 * static_cast<double>(s.batch * s.inputs * s.outputs) * (backward ? 2 : 1);
  state.counters["GFLOPs"] = 1e-3 * flop / state.counters["ours_us"];
}

}  // namespace

void add_benchmarks() {
  static const std::vector<BenchDevice> devices = bench_devices();
  for (const BenchDevice& device : devices)
    for (const LayerShape& s : kShapes)
      for (const bool backward : {false, true}) {
        auto* const bench = benchmark::RegisterBenchmark(
            fmt::format("{}/{}/batch:{}/{}-{}", device.name, backward ? "backward" : "forward", s.batch,
                        s.inputs, s.outputs)
                .c_str(),
            [&device, &s, backward](benchmark::State& state) { compare(state, device, s, backward); });
        bench->UseManualTime()->Unit(benchmark::kMicrosecond);
        if (device.is_cuda) bench->Iterations(kCudaRounds);
      }
}

}  // namespace softwarp
