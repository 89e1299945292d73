#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/backend/linear.h"
#include "host/backend/memory.h"
#include "kernels/cross_entropy.h"
#include "kernels/dataset_view.h"
#include "kernels/matrix_view.h"
#include "kernels/optimizer.h"
#include "kernels/training_state.h"

namespace softwarp {

// The op set: what a multilayer perceptron and its training are made of, on one device. All pointers and
// views are into this backend's own memory; results may be read after `download` or `wait`.
// Public functions check shapes for every backend and throw std::invalid_argument; a device's
// refusal throws softwarp::Error. Zero rows are no work, not an error. Not thread-safe: one
// backend, one caller.
class Backend {
 public:
  using View = MatrixView<float>;
  using ConstView = ConstMatrixView<float>;
  using View64 = MatrixView<double>;
  using ConstView64 = ConstMatrixView<double>;

  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // For people: "cpu (2 threads, AVX3_ZEN4)".
  virtual std::string name() const = 0;

  // --- memory -------------------------------------------------------------------------------------
  template <class T>
  [[nodiscard]] Array<T> make_array(std::int64_t size) {
    return Array<T>(allocate(size * static_cast<std::int64_t>(sizeof(T))), size);
  }
  [[nodiscard]] Matrix make_matrix(std::int64_t rows, std::int64_t cols);

  template <class T>
  void upload(std::span<const T> from, T* to) {
    copy_to_device(from.data(), to, from.size_bytes());
  }
  // Waits for everything before it.
  template <class T>
  void download(const T* from, std::span<T> to) {
    copy_from_device(from, to.data(), to.size_bytes());
  }
  template <class T>
  [[nodiscard]] T download(const T* from) {
    T value;
    copy_from_device(from, &value, sizeof(T));
    return value;
  }
  // For copies of `bytes` at a time to the host that nobody waits for.
  [[nodiscard]] virtual std::unique_ptr<HostCopy> make_host_copy(std::size_t bytes) = 0;
  void copy(const float* from, float* to, std::int64_t size);
  // Bytes of the arrays and matrices that there are now.
  std::int64_t memory_in_use() const { return memory_in_use_; }
  // Waits until everything that was asked for is done.
  virtual void wait() = 0;

  // Runs `work` at once, and again whenever the result is called: on a GPU as a graph, recorded after the
  // first run has loaded each kernel and allocated what it needs.
  [[nodiscard]] virtual std::function<void()> record(std::function<void()> work) = 0;

  // A named range on the timeline of a device's profiler, as long as the object lives: of the host, which on
  // a GPU asks for work that ends later. Ranges of a thread nest. A device without a profiler does nothing.
  class [[nodiscard]] Range {
   public:
    Range(Backend& backend, const char* name) : backend_(&backend) { backend.push_range(name); }
    ~Range() { backend_->pop_range(); }
    Range(const Range&) = delete;
    Range& operator=(const Range&) = delete;

   private:
    Backend* backend_;
  };

  // --- softmax, row by row. x and y (dy and dx) may be the same matrix ---------------------------------
  // A row's bits do not depend on the number of rows on the CPU; on a GPU they may where rows are few and
  // long (kernels/workspace.h).
  // y_i = exp(x_i - m) / sum_k exp(x_k - m), m the row's maximum.
  void softmax(ConstView x, View y);
  void softmax(ConstView64 x, View64 y);
  // y_i = x_i - m - log sum_k exp(x_k - m)
  void log_softmax(ConstView x, View y);
  void log_softmax(ConstView64 x, View64 y);
  // dx = y ⊙ (dy - <dy, y>): the product of the Jacobian diag(y) - y yᵀ with dy, without the matrix.
  void softmax_backward(ConstView y, ConstView dy, View dx);
  void softmax_backward(ConstView64 y, ConstView64 dy, View64 dx);
  // dx = dy - exp(y) sum(dy), y = log_softmax(x).
  void log_softmax_backward(ConstView y, ConstView dy, View dx);
  void log_softmax_backward(ConstView64 y, ConstView64 dy, View64 dx);
  // jacobian [rows * cols, cols]: row r's block is J_ij = y_i (delta_ij - y_j).
  void softmax_jacobian(ConstView y, View jacobian);
  void softmax_jacobian(ConstView64 y, View64 jacobian);

  // The mean cross-entropy of softmax(logits) against targets [rows], and its gradient, in one pass.
  // losses [rows] may be null; dlogits may be the logits' own memory, or a view without data for the loss
  // alone. dlogits is the gradient of the mean: (softmax - onehot) w[t] / sum of w[t]. Adds to *sums.
  // A target that is neither a class nor ignored gives a NaN loss and a NaN row, and is counted.
  void softmax_cross_entropy(ConstView logits, const std::int32_t* targets,
                             const CrossEntropyOptions& options, float* losses, View dlogits,
                             CrossEntropySums* sums);

  // best[r] = the column of the row's largest value, the first of equals; NaN counts as largest.
  void argmax(ConstView x, std::int32_t* best);

  // --- layers ---------------------------------------------------------------------------------------
  [[nodiscard]] std::unique_ptr<Linear> make_linear(const LinearShape& shape);
  // y = activation(z); in place allowed.
  void activation(Activation kind, ConstView z, View y);
  // dz = dy ⊙ activation'(z), y = activation(z); in place of dy allowed. z is read by gelu only.
  void activation_backward(Activation kind, ConstView z, ConstView y, ConstView dy, View dz);
  // y = x with each element set to zero with probability `rate` and divided by 1 - rate otherwise. Chance
  // depends on (seed, step, layer, element), so that the same call on dy is the backward. rate in [0, 1),
  // rounded to 1/65536. In place allowed; views are packed. (Srivastava et al., JMLR 15, 2014)
  void dropout(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y);

  // --- the training step -----------------------------------------------------------------------------
  // order [count] = a permutation of 0..count-1 that depends on (seed, epoch) alone.
  void permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order, std::int64_t count);
  // batch[r] = image order[position + r] times scale, targets[r] its label. A null order is the identity.
  void gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                    View batch, std::int32_t* targets);
  // One optimizer step at the schedule's rate; then state->step += 1, state->position += rows.
  void sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
                TrainingState* state, std::int64_t rows);
  void adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options, const Schedule& schedule,
                  TrainingState* state, std::int64_t rows);
  // state->position += rows, for passes without an optimizer.
  virtual void advance(TrainingState* state, std::int64_t rows) = 0;

 protected:
  Backend() = default;

 private:
  friend struct ReturnMemory;
  [[nodiscard]] Memory allocate(std::int64_t bytes);

  std::int64_t memory_in_use_ = 0;

  virtual void push_range(const char* /*name*/) {}
  virtual void pop_range() noexcept {}

  [[nodiscard]] virtual void* run_allocate(std::size_t bytes) = 0;  // 256-byte aligned, zeroed
  virtual void run_free(void* memory) noexcept = 0;
  virtual void copy_to_device(const void* from, void* to, std::size_t bytes) = 0;
  virtual void copy_from_device(const void* from, void* to, std::size_t bytes) = 0;
  virtual void run_copy(const float* from, float* to, std::int64_t size) = 0;

  virtual void run_softmax(ConstView x, View y) = 0;
  virtual void run_softmax(ConstView64 x, View64 y) = 0;
  virtual void run_log_softmax(ConstView x, View y) = 0;
  virtual void run_log_softmax(ConstView64 x, View64 y) = 0;
  virtual void run_softmax_backward(ConstView y, ConstView dy, View dx) = 0;
  virtual void run_softmax_backward(ConstView64 y, ConstView64 dy, View64 dx) = 0;
  virtual void run_log_softmax_backward(ConstView y, ConstView dy, View dx) = 0;
  virtual void run_log_softmax_backward(ConstView64 y, ConstView64 dy, View64 dx) = 0;
  virtual void run_softmax_jacobian(ConstView y, View jacobian) = 0;
  virtual void run_softmax_jacobian(ConstView64 y, View64 jacobian) = 0;
  virtual void run_softmax_cross_entropy(ConstView logits, const std::int32_t* targets,
                                         const CrossEntropyOptions& options, float* losses, View dlogits,
                                         CrossEntropySums* sums) = 0;
  virtual void run_argmax(ConstView x, std::int32_t* best) = 0;
  [[nodiscard]] virtual std::unique_ptr<Linear> run_make_linear(const LinearShape& shape) = 0;
  virtual void run_activation(Activation kind, ConstView z, View y) = 0;
  virtual void run_activation_backward(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) = 0;
  virtual void run_dropout(ConstView x, float rate, std::int32_t layer, const TrainingState* state,
                           View y) = 0;
  virtual void run_permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order,
                               std::int64_t count) = 0;
  virtual void run_gather_batch(const DatasetView& data, const std::int32_t* order,
                                const TrainingState* state, View batch, std::int32_t* targets) = 0;
  virtual void run_sgd_step(const ParameterBuffers& parameters, const SgdOptions& options,
                            const Schedule& schedule, TrainingState* state, std::int64_t rows) = 0;
  virtual void run_adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options,
                              const Schedule& schedule, TrainingState* state, std::int64_t rows) = 0;
};

// The CPU, always present. threads 0: one for each core this process may use.
[[nodiscard]] std::unique_ptr<Backend> make_cpu_backend(int threads = 0);

}  // namespace softwarp
