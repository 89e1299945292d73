// The kernels on rows, on a GPU, beside cuDNN's and a copy of the bytes that must move. Every run takes other
// buffers than the one before it, as many as it takes for none of them to be left in the L2 cache.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <fmt/format.h>
#include <softwarp/backend.h>
#include <softwarp/cross_entropy.h>
#include <softwarp/softmax.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "bench/comparison.h"
#include "bench/softmax_bench.h"
#include "bench/softmax_cudnn.h"
#include "bench/softmax_problem.h"
#include "host/backend/cuda/handles.h"

namespace softwarp {
namespace {

using cuda::DeviceMemory;
using cuda::Event;
using cuda::Stream;

// Beyond what the largest L2 cache of today holds, twice over.
constexpr std::size_t kColdBytes = std::size_t{256} << 20;

DeviceMemory device_memory(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes));
  return DeviceMemory(memory);
}

template <class T>
std::vector<T> rounded(const std::vector<float>& values) {
  std::vector<T> result;
  for (const float v : values) result.push_back(static_cast<T>(v));
  return result;
}

// Fills bytes of the device's memory with the values, over and over: once from the host, then from what is
// there. The values must stay until the stream has got there.
template <class T>
void upload_repeated(const std::vector<T>& values, const DeviceMemory& to, std::size_t bytes,
                     cudaStream_t stream) {
  auto* const begin = static_cast<char*>(to.get());
  std::size_t filled = std::min(bytes, values.size() * sizeof(T));
  check(cudaMemcpyAsync(begin, values.data(), filled, cudaMemcpyHostToDevice, stream));
  while (filled < bytes) {
    const std::size_t more = std::min(filled, bytes - filled);
    check(cudaMemcpyAsync(begin + filled, begin, more, cudaMemcpyDeviceToDevice, stream));
    filled += more;
  }
}

// The memory that one run reads and writes.
template <class T>
struct Set {
  Set(const SoftmaxShape& s, bool has_gradient)
      : shape(s),
        x(device_memory(bytes())),
        g(has_gradient ? device_memory(bytes()) : nullptr),
        out(device_memory(bytes())) {}
  std::size_t bytes() const { return shape.size() * sizeof(T); }
  MatrixView<T> view(const DeviceMemory& memory) const {
    return matrix_view(static_cast<T*>(memory.get()), shape.rows, shape.cols);
  }
  SoftmaxShape shape;
  DeviceMemory x, g, out;  // x: the logits, or y; g: what backwards read besides
};

template <class T>
class Bench {
 public:
  Bench(const SoftmaxOpInfo& info, const SoftmaxShape& s)
      : info_(info),
        shape_(s),
        in_(s),
        stream_(cuda::make<Stream>(cudaStreamCreateWithFlags, unsigned{cudaStreamNonBlocking})),
        start_(cuda::make<Event>(cudaEventCreateWithFlags, unsigned{cudaEventDefault})),
        end_(cuda::make<Event>(cudaEventCreateWithFlags, unsigned{cudaEventDefault})),
        targets_(device_memory(target_bytes())),
        sums_(device_memory(sizeof(CrossEntropySums))),
        loss_workspace_bytes_(cross_entropy_workspace_bytes(s.rows, s.cols, sizeof(T))),
        loss_workspace_(device_memory(loss_workspace_bytes_)),
        split_(device_memory(kSplitRowWorkspaceBytes)) {
    upload_repeated(in_.targets, targets_, target_bytes(), stream_.get());
    check(cudaMemsetAsync(sums_.get(), 0, sizeof(CrossEntropySums), stream_.get()));
    check(cudaMemsetAsync(loss_workspace_.get(), 0, loss_workspace_bytes_, stream_.get()));
    const std::size_t each = s.size() * sizeof(T) * static_cast<std::size_t>(info.matrices);
    const std::size_t sets = std::clamp<std::size_t>(kColdBytes / each + 1, 2, 64);
    const std::vector<T> x = rounded<T>(in_.x), g = rounded<T>(in_.g);
    for (std::size_t i = 0; i < sets; ++i) {
      sets_.push_back(std::make_unique<Set<T>>(s, is_backward(info.op)));
      fill(*sets_.back(), x, g);
    }
    check(cudaStreamSynchronize(stream_.get()));
  }

  double bytes() const { return static_cast<double>(shape_.size() * sizeof(T)) * info_.matrices; }

  bool is_right() {
    return is_right([this](Set<T>& set) { run(set); });
  }
  template <class Run>
  bool is_right(Run run_once) {
    Set<T>& set = *sets_[0];
    check(cudaMemsetAsync(set.out.get(), 0, set.bytes(), stream_.get()));
    run_once(set);
    std::vector<T> out(static_cast<std::size_t>(shape_.cols));
    const MatrixView<T> on_device = set.view(set.out);
    check(cudaMemcpyAsync(out.data(), on_device.row(shape_.rows - 1), out.size() * sizeof(T),
                          cudaMemcpyDeviceToHost, stream_.get()));
    check(cudaStreamSynchronize(stream_.get()));
    std::vector<float> last_row;
    for (const T v : out) last_row.push_back(static_cast<float>(v));
    return softwarp::is_right(info_.op, shape_, in_, last_row, sizeof(T) == 4 ? 1e-4 : 2e-2);
  }

  // Seconds of the device for one run, of several in a row.
  template <class Run>
  double device_seconds(Run run) {
    const auto count = static_cast<int>(std::max<std::size_t>(sets_.size(), 10));
    check(cudaEventRecord(start_.get(), stream_.get()));
    for (int i = 0; i < count; ++i) run(next());
    check(cudaEventRecord(end_.get(), stream_.get()));
    check(cudaEventSynchronize(end_.get()));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, start_.get(), end_.get()));
    return 1e-3 * static_cast<double>(milliseconds) / count;
  }
  double seconds() {
    return device_seconds([this](Set<T>& set) { run(set); });
  }
  // The faster of cuDNN's ways; none where it has none that is right.
  std::function<double()> cudnn() {
    std::vector<std::function<void(Set<T>&)>> ways;
    for (const SoftmaxRun& way : cudnn_ways<T>(info_.op, shape_, stream_.get())) {
      ways.push_back([way](Set<T>& set) { way(set.x.get(), set.g.get(), set.out.get()); });
      if (!is_right(ways.back())) ways.pop_back();
    }
    if (ways.empty()) return {};
    return [this, ways] {
      double best = INFINITY;
      for (const auto& way : ways) best = std::min(best, device_seconds(way));
      return best;
    };
  }
  // As many bytes read and written, by the copy engine or whatever the driver takes for it.
  double copy_seconds() {
    return device_seconds([this](Set<T>& set) {
      const std::size_t rest = set.bytes() / 2;
      check(
          cudaMemcpyAsync(set.out.get(), set.x.get(), set.bytes(), cudaMemcpyDeviceToDevice, stream_.get()));
      if (info_.matrices == 3)
        check(cudaMemcpyAsync(set.out.get(), set.g.get(), rest, cudaMemcpyDeviceToDevice, stream_.get()));
    });
  }
  // Seconds that the host takes for one launch, while the device is busy with others.
  double host_seconds() {
    constexpr int kLaunches = 20;
    check(cudaStreamSynchronize(stream_.get()));
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kLaunches; ++i) run(next());
    const auto end = std::chrono::steady_clock::now();
    check(cudaStreamSynchronize(stream_.get()));
    return std::chrono::duration<double>(end - start).count() / kLaunches;
  }

 private:
  std::size_t target_bytes() const { return static_cast<std::size_t>(shape_.rows) * sizeof(std::int32_t); }

  // The backwards read y or log y where the forwards read x.
  void fill(const Set<T>& set, const std::vector<T>& x, const std::vector<T>& g) {
    upload_repeated(x, set.x, set.bytes(), stream_.get());
    if (!is_backward(info_.op)) return;
    upload_repeated(g, set.g, set.bytes(), stream_.get());
    const auto view = set.view(set.x);
    if (info_.op == SoftmaxOp::softmax_backward)
      softmax<T>(view, view, stream_.get());
    else
      log_softmax<T>(view, view, stream_.get());
  }

  Set<T>& next() { return *sets_[turn_++ % sets_.size()]; }

  void run(Set<T>& set) {
    const Workspace split{split_.get(), kSplitRowWorkspaceBytes};
    const auto x = set.view(set.x), g = set.view(set.g), out = set.view(set.out);
    switch (info_.op) {
      case SoftmaxOp::softmax: return softmax<T>(x, out, split, stream_.get());
      case SoftmaxOp::log_softmax: return log_softmax<T>(x, out, split, stream_.get());
      case SoftmaxOp::softmax_backward: return softmax_backward<T>(x, g, out, split, stream_.get());
      case SoftmaxOp::log_softmax_backward: return log_softmax_backward<T>(x, g, out, split, stream_.get());
      case SoftmaxOp::cross_entropy:
        return softmax_cross_entropy<T>(x, static_cast<const std::int32_t*>(targets_.get()), {}, nullptr,
                                        nullptr, out, static_cast<CrossEntropySums*>(sums_.get()),
                                        {loss_workspace_.get(), loss_workspace_bytes_}, stream_.get());
    }
  }

  SoftmaxOpInfo info_;
  SoftmaxShape shape_;
  SoftmaxInputs in_;
  Stream stream_;
  Event start_, end_;
  DeviceMemory targets_, sums_;
  std::size_t loss_workspace_bytes_;
  DeviceMemory loss_workspace_, split_;
  std::vector<std::unique_ptr<Set<T>>> sets_;
  std::size_t turn_ = 0;
};

template <class T>
void compare(benchmark::State& state, const SoftmaxOpInfo& info, const SoftmaxShape& s) {
  Bench<T> bench(info, s);
  if (!bench.is_right()) return state.SkipWithError("ours is wrong");
  Comparison contest;
  contest.add({"ours", [&] { return bench.seconds(); }, bench.bytes()});
  if (const auto cudnn = bench.cudnn()) contest.add({"cudnn", cudnn, bench.bytes()});
  contest.add({"copy", [&] { return bench.copy_seconds(); }, bench.bytes()});
  contest.run(state);
  state.counters["host_us"] = 1e6 * bench.host_seconds();
}

template <class T>
void add(const char* type, const std::vector<SoftmaxShape>& shapes) {
  for (const SoftmaxOpInfo& info : kSoftmaxOps)
    for (const SoftmaxShape& s : shapes)
      benchmark::RegisterBenchmark(fmt::format("cuda/{}/{}/{}", type, info.name, s.text()).c_str(),
                                   [&info, s](benchmark::State& state) { compare<T>(state, info, s); })
          ->UseManualTime()
          ->Iterations(kCudaRounds)
          ->Unit(benchmark::kMicrosecond);
}

}  // namespace

void add_cuda_benchmarks(const std::vector<SoftmaxShape>& shapes) {
  if (!cuda_unavailable_reason().empty()) return;
  add<float>("float", shapes);
  add<__half>("half", shapes);
  add<__nv_bfloat16>("bfloat16", shapes);
}

}  // namespace softwarp
