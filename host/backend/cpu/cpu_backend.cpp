#include <fmt/format.h>
#include <hwy/targets.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "host/backend/backend.h"
#include "host/backend/cpu/elementwise.h"
#include "host/backend/cpu/linear.h"
#include "host/backend/cpu/softmax.h"
#include "host/backend/error.h"
#include "kernels/random.h"

namespace softwarp {
namespace {

constexpr std::align_val_t kAlignment{256};

class CpuHostCopy final : public HostCopy {
 public:
  explicit CpuHostCopy(std::size_t bytes) : bytes_(bytes) {}
  void start(const void* from) override { std::memcpy(bytes_.data(), from, bytes_.size()); }
  bool has_arrived() override { return true; }
  const void* data() const override { return bytes_.data(); }

 private:
  std::vector<std::byte> bytes_;
};

// Memory is the process's own, work is done when a call returns, and a recording is the work itself.
class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : threads_(threads) {}

  std::string name() const override {
    // The targets are a bit each, the best one lowest.
    const std::int64_t targets = hwy::SupportedTargets();
    return fmt::format("cpu ({} thread{}, {})", threads_, threads_ == 1 ? "" : "s",
                       hwy::TargetName(targets & -targets));
  }

  void wait() override {}
  std::unique_ptr<HostCopy> make_host_copy(std::size_t bytes) override {
    return std::make_unique<CpuHostCopy>(bytes);
  }
  std::function<void()> record(std::function<void()> work) override {
    work();
    return work;
  }
  void advance(TrainingState* state, std::int64_t rows) override { state->position += rows; }

 private:
  void* run_allocate(std::size_t bytes) override {
    void* memory = ::operator new(bytes, kAlignment, std::nothrow);
    if (memory == nullptr) throw Error(fmt::format("out of memory: {} bytes asked for", bytes));
    std::memset(memory, 0, bytes);
    return memory;
  }
  void run_free(void* memory) noexcept override { ::operator delete(memory, kAlignment); }
  void copy_to_device(const void* from, void* to, std::size_t bytes) override { copy_bytes(from, to, bytes); }
  void copy_from_device(const void* from, void* to, std::size_t bytes) override {
    copy_bytes(from, to, bytes);
  }
  void run_copy(const float* from, float* to, std::int64_t size) override { std::copy_n(from, size, to); }

  void run_softmax(ConstView x, View y) override { use_threads(), cpu::softmax(x, y); }
  void run_softmax(ConstView64 x, View64 y) override { use_threads(), cpu::softmax(x, y); }
  void run_log_softmax(ConstView x, View y) override { use_threads(), cpu::log_softmax(x, y); }
  void run_log_softmax(ConstView64 x, View64 y) override { use_threads(), cpu::log_softmax(x, y); }
  void run_softmax_backward(ConstView y, ConstView dy, View dx) override {
    use_threads(), cpu::softmax_backward(y, dy, dx);
  }
  void run_softmax_backward(ConstView64 y, ConstView64 dy, View64 dx) override {
    use_threads(), cpu::softmax_backward(y, dy, dx);
  }
  void run_log_softmax_backward(ConstView y, ConstView dy, View dx) override {
    use_threads(), cpu::log_softmax_backward(y, dy, dx);
  }
  void run_log_softmax_backward(ConstView64 y, ConstView64 dy, View64 dx) override {
    use_threads(), cpu::log_softmax_backward(y, dy, dx);
  }
  void run_softmax_jacobian(ConstView y, View jacobian) override {
    use_threads(), cpu::softmax_jacobian(y, jacobian);
  }
  void run_softmax_jacobian(ConstView64 y, View64 jacobian) override {
    use_threads(), cpu::softmax_jacobian(y, jacobian);
  }
  void run_softmax_cross_entropy(ConstView logits, const std::int32_t* targets,
                                 const CrossEntropyOptions& options, float* losses, View dlogits,
                                 CrossEntropySums* sums) override {
    use_threads(), cpu::softmax_cross_entropy(logits, targets, options, losses, dlogits, sums);
  }
  void run_argmax(ConstView x, std::int32_t* best) override { use_threads(), cpu::argmax(x, best); }

  std::unique_ptr<Linear> run_make_linear(const LinearShape& shape) override {
    return cpu::make_linear(shape, threads_);
  }
  void run_activation(Activation kind, ConstView z, View y) override {
    use_threads(), cpu::activation(kind, z, y);
  }
  void run_activation_backward(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) override {
    use_threads(), cpu::activation_backward(kind, z, y, dy, dz);
  }
  void run_dropout(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y) override {
    use_threads(), cpu::dropout(x, rate, layer, *state, y);
  }

  void run_permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order,
                       std::int64_t count) override {
    // The index breaks ties between equal keys, as a stable sort of the keys would.
    std::vector<std::pair<std::uint32_t, std::int32_t>> keys(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
      keys[static_cast<std::size_t>(i)] = {permutation_key(seed, epoch, i), static_cast<std::int32_t>(i)};
    std::sort(keys.begin(), keys.end());
    for (const auto& [key, index] : keys) *order++ = index;
  }
  void run_gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                        View batch, std::int32_t* targets) override {
    use_threads(), cpu::gather_batch(data, order, state->position, batch, targets);
  }
  void run_sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
                    TrainingState* state, std::int64_t rows) override {
    use_threads();
    move_on(state, rows, cpu::sgd_step(parameters, options, learning_rate(schedule, state->step)));
  }
  void run_adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options,
                      const Schedule& schedule, TrainingState* state, std::int64_t rows) override {
    use_threads();
    const float rate = learning_rate(schedule, state->step);
    move_on(state, rows, cpu::adamw_step(parameters, options, rate, state->step + 1));
  }

  static void move_on(TrainingState* state, std::int64_t rows, bool finite) {
    ++state->step;
    state->position += rows;
    if (!finite && state->first_nonfinite_step == 0) state->first_nonfinite_step = state->step;
  }

  // OpenMP's setting belongs to the process, and another backend may have changed it.
  void use_threads() const { omp_set_num_threads(threads_); }

  static void copy_bytes(const void* from, void* to, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

  int threads_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  expects(threads >= 0, "a number of threads that is not negative");
  return std::make_unique<CpuBackend>(threads > 0 ? threads : omp_get_num_procs());
}

}  // namespace softwarp
