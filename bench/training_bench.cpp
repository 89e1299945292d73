// Times a training step and its parts: an epoch of SGD on MNIST-sized random data, then each part repeated by
// itself, and the bare products of the same shapes, which every step needs. `ratio` is the time of the step
// divided by theirs: 1 would mean that everything else is free. Also times training until 98 % of MNIST's
// test images are classified correctly.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "bench/bare_products.h"
#include "bench/comparison.h"
#include "bench/devices.h"
#include "bench/main.h"
#include "host/data/resident.h"
#include "host/training/evaluation.h"
#include "host/training/trainer.h"

namespace softwarp {
namespace {

constexpr std::int64_t kImages = 60000;
const std::vector<std::vector<std::int64_t>> kNetworks = {{128}, {512, 512}, {1024, 1024}};

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

TrainingSettings sgd_settings(const std::vector<std::int64_t>& hidden, std::int64_t batch) {
  TrainingSettings settings;
  settings.hidden = hidden;
  settings.dropout = {0, 0};
  settings.optimizer = OptimizerKind::sgd;
  settings.schedule = ScheduleKind::constant;
  settings.rate = 0.01;
  settings.batch_size = batch;
  return settings;
}

MlpShape mnist_shape(const std::vector<std::int64_t>& hidden) { return {784, hidden, 10, Activation::relu}; }

std::vector<BareProduct> bare_step(const MlpShape& shape, std::int64_t batch) {
  std::vector<BareProduct> products;
  for (std::int64_t i = 0; i < shape.layers(); ++i) {
    const std::int64_t inputs = shape.width(i), outputs = shape.width(i + 1);
    products.push_back({batch, outputs, inputs, false, true});              // z = x wᵀ
    products.push_back({outputs, inputs, batch, true, false});              // dw = dzᵀ x
    if (i > 0) products.push_back({batch, inputs, outputs, false, false});  // dx = dz w
  }
  return products;
}

// The parts of a step, each by itself.
class Parts {
 public:
  Parts(Backend& backend, const TrainingSettings& settings, const MlpShape& shape,
        const ResidentDataset& data)
      : backend_(backend),
        data_(data),
        mlp_(backend, shape),
        pass_(mlp_, settings.batch_size, /*trains=*/true),
        optimizer_(mlp_, optimizer_settings(settings, 1)),
        order_(backend.make_array<std::int32_t>(data.count())),
        targets_(backend.make_array<std::int32_t>(settings.batch_size)),
        state_(backend.make_array<TrainingState>(1)),
        sums_(backend.make_array<CrossEntropySums>(1)),
        dlogits_(backend.make_matrix(settings.batch_size, shape.classes)) {
    mlp_.initialize(Initialization::kaiming, 1);
    backend.permutation(1, 0, order_.data(), data.count());
    gather_ = backend.record([this] { gather(); });
    layers_ = backend.record([this] {
      pass_.forward();
      pass_.backward(optimizer_.gradients());
    });
    loss_ = backend.record([this] {
      backend_.softmax_cross_entropy(pass_.logits(), targets_.data(), {.assume_all_valid = true}, nullptr,
                                     dlogits_.view(), sums_.data());
    });
    update_ = backend.record([this] { optimizer_.step(state_.data(), 0); });
  }

  double gather_seconds() { return timed(gather_); }
  double layers_seconds() { return timed(layers_); }  // forward and backward
  double loss_seconds() { return timed(loss_); }
  double update_seconds() { return timed(update_); }

 private:
  void gather() {
    backend_.gather_batch(data_.view(), order_.data(), state_.data(), pass_.input(), targets_.data());
  }
  double timed(const std::function<void()>& work) {
    constexpr int kRuns = 20;
    return seconds_of(kRuns, work, [this] { backend_.wait(); });
  }

  Backend& backend_;
  const ResidentDataset& data_;
  Mlp mlp_;
  MlpWorkspace pass_;
  Optimizer optimizer_;
  Array<std::int32_t> order_, targets_;
  Array<TrainingState> state_;
  Array<CrossEntropySums> sums_;
  Matrix dlogits_;
  std::function<void()> gather_, layers_, loss_, update_;
};

void step(benchmark::State& state, const BenchDevice& device, const std::vector<std::int64_t>& hidden,
          std::int64_t batch) {
  const auto backend = device.make({});
  const TrainingSettings settings = sgd_settings(hidden, batch);
  const MlpShape shape = mnist_shape(hidden);
  const ResidentDataset data(*backend, random_images());
  Trainer trainer(*backend, settings, shape, data);
  Parts parts(*backend, settings, shape, data);
  const auto products = device.make_products(bare_step(shape, batch));

  const auto steps = static_cast<int>(trainer.steps_per_epoch());
  Comparison contest;
  contest.add(
      {"step", [&] { return seconds_of(1, [&] { trainer.run_epoch([] { return true; }); }) / steps; }});
  contest.add({"gather", [&] { return parts.gather_seconds(); }});
  contest.add({"layers", [&] { return parts.layers_seconds(); }});
  contest.add({"loss", [&] { return parts.loss_seconds(); }});
  contest.add({"update", [&] { return parts.update_seconds(); }});
  contest.add({"products", [&] { return products->seconds(std::max(steps / 4, 1)); }});
  contest.run(state);
  auto& counters = state.counters;
  const double parts_us =
      counters["gather_us"] + counters["layers_us"] + counters["loss_us"] + counters["update_us"];
  counters["other_us"] = counters["step_us"] - parts_us;
  counters["samples/s"] = 1e6 * static_cast<double>(kImages) / steps / counters["step_us"];
  counters["ratio"] = counters["vs_products"];
}

// The defaults of `softwarp train`, seed by seed, looked at after each epoch.
void time_to_98(benchmark::State& state, const BenchDevice& device) {
  constexpr std::int64_t kMostEpochs = 12;
  static const DataPair mnist = load_data("mnist");
  const auto backend = device.make({});
  const ResidentDataset train(*backend, mnist.train), test(*backend, mnist.test);
  std::vector<double> seconds, epochs;
  TrainingSettings settings;
  for (auto _ : state) {
    Trainer trainer(*backend, settings, mnist_shape(settings.hidden), train);
    Evaluation evaluation(trainer.mlp(), test);
    double trained = 0;
    std::int64_t epoch = 0;
    do {
      if (++epoch > kMostEpochs) return state.SkipWithError("98 % were not reached");
      trained += seconds_of(1, [&] { trainer.run_epoch([] { return true; }); });
    } while (evaluation.run().accuracy < 0.98);
    seconds.push_back(trained), epochs.push_back(static_cast<double>(epoch));
    state.SetIterationTime(trained);
    ++settings.seed;
  }
  state.counters["median_s"] = median(seconds);
  state.counters["min_s"] = *std::ranges::min_element(seconds);
  state.counters["max_s"] = *std::ranges::max_element(seconds);
  state.counters["epochs"] = median(epochs);
}

}  // namespace

void add_benchmarks() {
  static const std::vector<BenchDevice> devices = bench_devices();
  for (const BenchDevice& device : devices) {
    for (const auto& hidden : kNetworks)
      for (const std::int64_t batch : {32, 128, 512, 2048, 8192})
        benchmark::RegisterBenchmark(
            fmt::format("{}/step/{}/batch:{}", device.name, mnist_shape(hidden).text(), batch).c_str(),
            [&device, hidden, batch](benchmark::State& state) { step(state, device, hidden, batch); })
            ->UseManualTime()
            ->Iterations(9)
            ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(fmt::format("{}/time_to_98", device.name).c_str(),
                                 [&device](benchmark::State& state) { time_to_98(state, device); })
        ->UseManualTime()
        ->Iterations(5)
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace softwarp
