#include <fmt/format.h>
#include <hwy/targets.h>
#include <omp.h>
#include <softwarp/backend.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "core/optimizer.h"
#include "core/random.h"
#include "host/backend/cpu/elementwise.h"
#include "host/backend/cpu/fork.h"
#include "host/backend/cpu/linear.h"
#include "host/backend/row_ops.h"

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
  void* allocate_impl(std::size_t bytes) override {
    void* memory = ::operator new(bytes, kAlignment, std::nothrow);
    if (memory == nullptr) throw Error(fmt::format("out of memory: {} bytes asked for", bytes));
    std::memset(memory, 0, bytes);
    return memory;
  }
  void deallocate_impl(void* memory) noexcept override { ::operator delete(memory, kAlignment); }
  void copy_to_device(const void* from, void* to, std::size_t bytes) override { copy_bytes(from, to, bytes); }
  void copy_from_device(const void* from, void* to, std::size_t bytes) override {
    copy_bytes(from, to, bytes);
  }
  void copy_impl(const float* from, float* to, std::int64_t size) override { std::copy_n(from, size, to); }

  const RowOps& row_ops() override {
    use_threads();
    return cpu_row_ops();
  }
  Workspace zeroed_workspace(std::size_t) override { return {}; }

  std::vector<std::unique_ptr<Linear>> make_layers_impl(std::span<const LinearShape> shapes) override {
    std::vector<std::unique_ptr<Linear>> layers;
    for (const LinearShape& shape : shapes)
      layers.push_back(cpu::make_linear(shape, layers.empty() ? nullptr : layers.back().get(), threads_));
    return layers;
  }
  void activation_impl(Activation kind, ConstView z, View y) override {
    use_threads(), cpu::activation(kind, z, y);
  }
  void activation_backward_impl(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) override {
    use_threads(), cpu::activation_backward(kind, z, y, dy, dz);
  }
  void dropout_impl(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y,
                    std::int64_t first_row) override {
    use_threads(), cpu::dropout(x, rate, layer, *state, y, first_row);
  }
  void add_impl(const float* from, float* to, std::int64_t size) override {
    use_threads(), cpu::add(from, to, size);
  }

  void permutation_impl(std::uint64_t seed, std::int64_t epoch, std::int32_t* order,
                        std::int64_t count) override {
    // The index breaks ties between equal keys, as a stable sort of the keys would.
    std::vector<std::pair<std::uint32_t, std::int32_t>> keys(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
      keys[static_cast<std::size_t>(i)] = {permutation_key(seed, epoch, i), static_cast<std::int32_t>(i)};
    std::sort(keys.begin(), keys.end());
    for (const auto& [key, index] : keys) *order++ = index;
  }
  void gather_batch_impl(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                         View batch, std::int32_t* targets) override {
    use_threads(), cpu::gather_batch(data, order, state->position, batch, targets);
  }
  void augment_batch_impl(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                          const Augmentation& augmentation, View batch, std::int32_t* targets) override {
    use_threads(), cpu::augment_batch(data, order, *state, augmentation, batch, targets);
  }
  void sgd_step_impl(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
                     TrainingState* state, std::int64_t rows) override {
    use_threads();
    move_on(state, rows, cpu::sgd_step(parameters, options, learning_rate(schedule, state->step)));
  }
  void adamw_step_impl(const ParameterBuffers& parameters, const AdamwOptions& options,
                       const Schedule& schedule, TrainingState* state, std::int64_t rows) override {
    use_threads();
    const float rate = learning_rate(schedule, state->step);
    move_on(state, rows, cpu::adamw_step(parameters, options, rate, state->step + 1));
  }
  void average_parameters_impl(const float* values, float* average, std::int64_t size, float decay,
                               const TrainingState* state) override {
    use_threads();
    cpu::average_parameters(values, average, size, weight_of_newest(decay, state->step));
  }
  void renorm_rows_impl(View x, float max_norm) override { use_threads(), cpu::renorm_rows(x, max_norm); }

  static void move_on(TrainingState* state, std::int64_t rows, bool finite) {
    ++state->step;
    state->position += rows;
    if (!finite && state->first_nonfinite_step == 0) state->first_nonfinite_step = state->step;
  }

  // OpenMP's setting belongs to the process, and another backend may have changed it.
  void use_threads() const { omp_set_num_threads(cpu::threads_here(threads_)); }

  static void copy_bytes(const void* from, void* to, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

  int threads_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  expects(threads >= 0, "a number of threads that is not negative");
  cpu::prepare_for_fork();
  return std::make_unique<CpuBackend>(threads > 0 ? threads : omp_get_num_procs());
}

}  // namespace softwarp
