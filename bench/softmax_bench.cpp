// The CPU's softmax and its backward beside oneDNN's, a plain loop over expf, and memcpy of the same bytes
// (the roof: 2 MN floats move forward, 3 MN backward). The contenders take turns within every iteration; the
// figures are medians, `vs_*` the medians of ours divided by theirs, measured one right after the other.

#include <benchmark/benchmark.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <dnnl.hpp>
#include <functional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/backend/backend.h"

namespace softwarp {
namespace {

using dnnl::memory;

struct Shape {
  std::int64_t rows, cols;
};
// MNIST's classes at two widths, a hidden layer, an attention row, a vocabulary.
const std::vector<Shape> kShapes = {{4096, 10}, {4096, 128}, {4096, 1024}, {1024, 8192}, {128, 131072}};

struct Buffers {
  explicit Buffers(const Shape& s) : x(size(s)), y(size(s)), g(size(s)), out(size(s)), copied(2 * size(s)) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& v : x) v = 2 * normal(random);
    for (float& v : g) v = normal(random);
  }
  static std::size_t size(const Shape& s) { return static_cast<std::size_t>(s.rows * s.cols); }
  std::vector<float> x, y, g, out, copied;
};

struct Contender {
  std::string name;
  std::function<void()> run;
  std::vector<double> seconds;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void copy_in_parts(float* to, const float* from, std::size_t size) {
  constexpr std::size_t kPart = 1 << 16;
#pragma omp parallel for schedule(static) if (size > kPart)
  for (std::size_t i = 0; i < size; i += kPart)
    std::memcpy(to + i, from + i, std::min(kPart, size - i) * sizeof(float));
}

void naive_softmax(const Buffers& b, float* out, const Shape& s) {
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < s.rows; ++r) {
    const float* x = b.x.data() + r * s.cols;
    float* y = out + r * s.cols;
    const float max = *std::max_element(x, x + s.cols);
    float sum = 0;
    for (std::int64_t c = 0; c < s.cols; ++c) sum += y[c] = std::exp(x[c] - max);
    for (std::int64_t c = 0; c < s.cols; ++c) y[c] /= sum;
  }
}

// oneDNN's forward or backward over the buffers, planned once.
std::function<void()> onednn(Buffers& b, const Shape& s, bool backward) {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const memory::desc layout({s.rows, s.cols}, memory::data_type::f32, memory::format_tag::ab);
  const dnnl::softmax_forward::primitive_desc forward({dnnl::prop_kind::forward_training, layout, 1}, engine);
  const auto over = [&](std::vector<float>& values) { return memory(layout, engine, values.data()); };
  std::unordered_map<int, memory> arguments;
  dnnl::primitive primitive;
  if (backward) {
    primitive = dnnl::softmax_backward({{layout, layout, 1}, engine, forward});
    arguments = {{DNNL_ARG_DST, over(b.y)}, {DNNL_ARG_DIFF_DST, over(b.g)}, {DNNL_ARG_DIFF_SRC, over(b.out)}};
  } else {
    primitive = dnnl::softmax_forward(forward);
    arguments = {{DNNL_ARG_SRC, over(b.x)}, {DNNL_ARG_DST, over(b.out)}};
  }
  return [primitive, arguments, stream = dnnl::stream(engine)] { primitive.execute(stream, arguments); };
}

// The last row against its definition in double, so that nobody is timed on wrong results.
bool right(const Buffers& b, const Shape& s, bool backward) {
  const auto first = static_cast<std::size_t>((s.rows - 1) * s.cols), n = static_cast<std::size_t>(s.cols);
  double max = -1e30, sum = 0, dot = 0, worst = 0;
  for (std::size_t c = 0; c < n; ++c) max = std::max(max, static_cast<double>(b.x[first + c]));
  for (std::size_t c = 0; c < n; ++c) sum += std::exp(b.x[first + c] - max);
  for (std::size_t c = 0; c < n; ++c) dot += std::exp(b.x[first + c] - max) / sum * b.g[first + c];
  for (std::size_t c = 0; c < n; ++c) {
    const double y = std::exp(b.x[first + c] - max) / sum;
    const double expected = backward ? y * (b.g[first + c] - dot) : y;
    worst = std::max(worst, std::abs(b.out[first + c] - expected) / y);
  }
  return worst < 1e-3;
}

void compare(benchmark::State& state, const Shape& s, bool backward) {
  const auto threads = static_cast<int>(state.range(0));
  const auto backend = make_cpu_backend(threads);
  Buffers b(s);
  const auto view = [&](std::vector<float>& values) { return matrix_view(values.data(), s.rows, s.cols); };
  backend->softmax(view(b.x), view(b.y));
  omp_set_num_threads(threads);
  std::vector<Contender> contenders;
  const std::size_t moved = backward ? Buffers::size(s) * 3 / 2 : Buffers::size(s);
  std::vector<float> source(moved, 1.0f);
  contenders.push_back({"ours",
                        [&] {
                          backward ? backend->softmax_backward(view(b.y), view(b.g), view(b.out))
                                   : backend->softmax(view(b.x), view(b.out));
                        },
                        {}});
  contenders.push_back({"onednn", onednn(b, s, backward), {}});
  contenders.push_back({"memcpy", [&] { copy_in_parts(b.copied.data(), source.data(), moved); }, {}});
  if (!backward) contenders.push_back({"naive", [&] { naive_softmax(b, b.out.data(), s); }, {}});
  for (const Contender& each : contenders) {
    std::fill(b.out.begin(), b.out.end(), 0.0f);
    each.run();
    if (each.name != "memcpy" && !right(b, s, backward))
      return state.SkipWithError((each.name + " is wrong").c_str());
  }
  for (auto _ : state) {
    for (Contender& each : contenders) {
      each.run();  // untimed: each finds the caches as it left them itself
      const auto start = std::chrono::steady_clock::now();
      each.run();
      benchmark::ClobberMemory();
      each.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    state.SetIterationTime(contenders[0].seconds.back());
  }
  for (const Contender& each : contenders) {
    state.counters[each.name + "_us"] = 1e6 * median(each.seconds);
    if (each.name == "ours") continue;
    std::vector<double> ratios;
    for (std::size_t i = 0; i < each.seconds.size(); ++i)
      ratios.push_back(contenders[0].seconds[i] / each.seconds[i]);
    state.counters["vs_" + each.name] = median(ratios);
  }
}

void add_all() {
  for (const bool backward : {false, true})
    for (const Shape& s : kShapes) {
      const std::string name = (backward ? "softmax_backward/" : "softmax/") + std::to_string(s.rows) + "x" +
                               std::to_string(s.cols);
      auto* bench = benchmark::RegisterBenchmark(
          name.c_str(), [s, backward](benchmark::State& state) { compare(state, s, backward); });
      bench->ArgName("threads")->UseManualTime()->Unit(benchmark::kMicrosecond)->MinTime(0.3)->Arg(1);
      if (omp_get_num_procs() > 1) bench->Arg(omp_get_num_procs());
    }
}

}  // namespace
}  // namespace softwarp

int main(int argc, char** argv) {
  // A plan that oneDNN made for one thread would otherwise serve two, on one.
  dnnl::set_primitive_cache_capacity(0);
  softwarp::add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("device", softwarp::make_cpu_backend()->name());
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
