// The CPU's ops on rows beside oneDNN's, plain loops as one writes them first, and memcpy of the bytes that
// must move.

#include <benchmark/benchmark.h>
#include <omp.h>
#include <softwarp/backend.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <dnnl.hpp>
#include <optional>
#include <unordered_map>

#include "bench/comparison.h"
#include "bench/softmax_bench.h"
#include "bench/softmax_problem.h"

namespace softwarp {
namespace {

using dnnl::memory;

struct Buffers {
  explicit Buffers(const SoftmaxShape& s)
      : in(s),
        x(repeated(in.x, s.size())),
        g(repeated(in.g, s.size())),
        y(s.size()),
        log_y(s.size()),
        out(s.size()),
        targets(repeated(in.targets, static_cast<std::size_t>(s.rows))) {}
  SoftmaxInputs in;
  std::vector<float> x, g, y, log_y, out;
  std::vector<std::int32_t> targets;
  std::vector<CrossEntropySums> sums = std::vector<CrossEntropySums>(1);
};

// Seconds of a run that finds the caches as an earlier one of its own left them.
double timed(const std::function<void()>& run) {
  run();
  const auto start = std::chrono::steady_clock::now();
  run();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run_ours(Backend& backend, SoftmaxOp op, const SoftmaxShape& s, Buffers& b) {
  const auto view = [&](std::vector<float>& values) { return matrix_view(values.data(), s.rows, s.cols); };
  switch (op) {
    case SoftmaxOp::softmax: return backend.softmax(view(b.x), view(b.out));
    case SoftmaxOp::log_softmax: return backend.log_softmax(view(b.x), view(b.out));
    case SoftmaxOp::softmax_backward: return backend.softmax_backward(view(b.y), view(b.g), view(b.out));
    case SoftmaxOp::log_softmax_backward:
      return backend.log_softmax_backward(view(b.log_y), view(b.g), view(b.out));
    case SoftmaxOp::cross_entropy:
      return backend.softmax_cross_entropy(view(b.x), b.targets.data(), {.assume_all_valid = true}, nullptr,
                                           view(b.out), b.sums.data());
  }
}

// Three passes over each row, in float.
void run_naive(SoftmaxOp op, const SoftmaxShape& s, Buffers& b) {
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < s.rows; ++r) {
    const float *x = b.x.data() + r * s.cols, *g = b.g.data() + r * s.cols, *y = b.y.data() + r * s.cols,
                *log_y = b.log_y.data() + r * s.cols;
    float* out = b.out.data() + r * s.cols;
    if (is_backward(op)) {
      float sum = 0;
      for (std::int64_t c = 0; c < s.cols; ++c) sum += op == SoftmaxOp::softmax_backward ? g[c] * y[c] : g[c];
      for (std::int64_t c = 0; c < s.cols; ++c)
        out[c] = op == SoftmaxOp::softmax_backward ? y[c] * (g[c] - sum) : g[c] - std::exp(log_y[c]) * sum;
      continue;
    }
    const float max = *std::max_element(x, x + s.cols);
    float sum = 0;
    for (std::int64_t c = 0; c < s.cols; ++c) sum += out[c] = std::exp(x[c] - max);
    if (op == SoftmaxOp::log_softmax) {
      for (std::int64_t c = 0; c < s.cols; ++c) out[c] = x[c] - max - std::log(sum);
      continue;
    }
    const float scale = op == SoftmaxOp::cross_entropy ? 1 / static_cast<float>(s.rows) : 1;
    for (std::int64_t c = 0; c < s.cols; ++c) out[c] = out[c] / sum * scale;
    if (op == SoftmaxOp::cross_entropy) out[b.targets[static_cast<std::size_t>(r)]] -= scale;
  }
}

void copy_in_parts(float* to, const float* from, std::size_t size) {
  constexpr std::size_t kPart = 1 << 16;
#pragma omp parallel for schedule(static) if (size > kPart)
  for (std::size_t i = 0; i < size; i += kPart)
    std::memcpy(to + i, from + i, std::min(kPart, size - i) * sizeof(float));
}

// oneDNN's softmax or its logarithm, forward or backward, of matrices of one layout. Release 3 merged the op
// descriptor into the primitive descriptor and log-softmax into softmax.
dnnl::primitive plan_softmax(const dnnl::engine& engine, const memory::desc& layout, bool log,
                             bool backward) {
  constexpr int kAxis = 1;
  const auto training = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  const auto algorithm = log ? dnnl::algorithm::softmax_log : dnnl::algorithm::softmax_accurate;
  const dnnl::softmax_forward::primitive_desc forward(engine, training, algorithm, layout, layout, kAxis);
  if (!backward) return dnnl::softmax_forward(forward);
  return dnnl::softmax_backward({engine, algorithm, layout, layout, layout, kAxis, forward});
#else
  if (log) {
    const dnnl::logsoftmax_forward::primitive_desc forward({training, layout, kAxis}, engine);
    if (!backward) return dnnl::logsoftmax_forward(forward);
    return dnnl::logsoftmax_backward({{layout, layout, kAxis}, engine, forward});
  }
  const dnnl::softmax_forward::primitive_desc forward({training, layout, kAxis}, engine);
  if (!backward) return dnnl::softmax_forward(forward);
  return dnnl::softmax_backward({{layout, layout, kAxis}, engine, forward});
#endif
}

// oneDNN's, planned once; it has no cross-entropy.
std::optional<std::function<void()>> onednn(SoftmaxOp op, const SoftmaxShape& s, Buffers& b) {
  if (op == SoftmaxOp::cross_entropy) return std::nullopt;
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const memory::desc layout({s.rows, s.cols}, memory::data_type::f32, memory::format_tag::ab);
  const auto over = [&](std::vector<float>& values) { return memory(layout, engine, values.data()); };
  const bool log = op == SoftmaxOp::log_softmax || op == SoftmaxOp::log_softmax_backward;
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, over(b.x)}, {DNNL_ARG_DST, over(b.out)}};
  if (is_backward(op))
    arguments = {{DNNL_ARG_DST, over(log ? b.log_y : b.y)},
                 {DNNL_ARG_DIFF_DST, over(b.g)},
                 {DNNL_ARG_DIFF_SRC, over(b.out)}};
  return [primitive = plan_softmax(engine, layout, log, is_backward(op)), arguments,
          stream = dnnl::stream(engine)] { primitive.execute(stream, arguments); };
}

void compare(benchmark::State& state, const SoftmaxOpInfo& info, const SoftmaxShape& s) {
  const auto threads = static_cast<int>(state.range(0));
  const auto backend = make_cpu_backend(threads);
  Buffers b(s);
  backend->softmax(matrix_view(b.x.data(), s.rows, s.cols), matrix_view(b.y.data(), s.rows, s.cols));
  backend->log_softmax(matrix_view(b.x.data(), s.rows, s.cols), matrix_view(b.log_y.data(), s.rows, s.cols));
  omp_set_num_threads(threads);

  // A copy reads and writes.
  const std::size_t copied = s.size() * static_cast<std::size_t>(info.matrices) / 2;
  const std::vector<float> from(copied, 1.0f);
  std::vector<float> to(copied);
  const double bytes = static_cast<double>(s.size()) * sizeof(float) * info.matrices;
  Comparison contest;
  const auto enter = [&](const char* name, const std::function<void()>& run) {
    std::fill(b.out.begin(), b.out.end(), 0.0f);
    run();
    const auto last_row = std::span(b.out).last(static_cast<std::size_t>(s.cols));
    if (!is_right(info.op, s, b.in, last_row, 1e-4)) throw std::string(name) + " is wrong";
    contest.add({name, [run] { return timed(run); }, bytes});
  };
  try {
    enter("ours", [&] { run_ours(*backend, info.op, s, b); });
    if (const auto peer = onednn(info.op, s, b)) enter("onednn", *peer);
    enter("naive", [&] { run_naive(info.op, s, b); });
  } catch (const std::string& wrong) {
    return state.SkipWithError(wrong.c_str());
  }
  contest.add(
      {"memcpy", [&] { return timed([&] { copy_in_parts(to.data(), from.data(), copied); }); }, bytes});
  contest.run(state);
}

}  // namespace

void add_cpu_benchmarks(const std::vector<SoftmaxShape>& shapes) {
  for (const SoftmaxOpInfo& info : kSoftmaxOps)
    for (const SoftmaxShape& s : shapes) {
      const std::string name = std::string("cpu/float/") + info.name + "/" + s.text();
      auto* bench = benchmark::RegisterBenchmark(
          name.c_str(), [&info, s](benchmark::State& state) { compare(state, info, s); });
      bench->ArgName("threads")->UseManualTime()->Unit(benchmark::kMicrosecond)->Arg(1);
      if (omp_get_num_procs() > 1) bench->Arg(omp_get_num_procs());
    }
}

}  // namespace softwarp
