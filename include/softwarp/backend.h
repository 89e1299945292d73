#pragma once

/// @file
/// The ops that a multilayer perceptron and its training are made of, on the CPU or a GPU.

#include <softwarp/any_matrix.h>
#include <softwarp/cross_entropy.h>
#include <softwarp/dataset.h>
#include <softwarp/linear.h>
#include <softwarp/matrix_view.h>
#include <softwarp/memory.h>
#include <softwarp/optimizer.h>
#include <softwarp/workspace.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace softwarp {

class RowOps;
/// The functions of a row that have a forward and a backward of one signature.
enum class RowFunction { softmax, log_softmax };

/// The op set on one device. All pointers and views are into this backend's own memory; results may be read
/// after `download` or `wait`. Wrong shapes throw std::invalid_argument on every backend, and a device's
/// refusal throws Error. Zero rows are no work, not an error. On a GPU all work is queued on the backend's
/// one stream. Not thread-safe: one backend, one caller.
class Backend {
 public:
  using View = MatrixView<float>;            ///< a matrix that is written
  using ConstView = ConstMatrixView<float>;  ///< a matrix that is only read

  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  /// A text for people: "cpu (2 threads, AVX3_ZEN4)".
  virtual std::string name() const = 0;

  /// @name Memory
  /// @{

  /// An array of `size` elements, zeroed.
  template <class T>
  [[nodiscard]] Array<T> make_array(std::int64_t size) {
    return Array<T>(allocate(size * static_cast<std::int64_t>(sizeof(T))), size);
  }
  /// A packed matrix [rows, cols], zeroed.
  [[nodiscard]] Matrix make_matrix(std::int64_t rows, std::int64_t cols);

  /// Copies from the host. `from` may be changed once this returns.
  template <class T>
  void upload(std::span<const T> from, T* to) {
    copy_to_device(from.data(), to, from.size_bytes());
  }
  /// Copies to the host. Waits for everything before it.
  template <class T>
  void download(const T* from, std::span<T> to) {
    copy_from_device(from, to.data(), to.size_bytes());
  }
  /// One value, copied to the host. Waits for everything before it.
  template <class T>
  [[nodiscard]] T download(const T* from) {
    T value;
    copy_from_device(from, &value, sizeof(T));
    return value;
  }
  /// For copies of `bytes` at a time to the host that nobody waits for.
  [[nodiscard]] virtual std::unique_ptr<HostCopy> make_host_copy(std::size_t bytes) = 0;
  /// Copies `size` floats within the backend's memory.
  void copy(const float* from, float* to, std::int64_t size);
  /// Bytes of the arrays and matrices that there are now.
  std::int64_t memory_in_use() const { return memory_in_use_; }
  /// Waits until all queued work is done.
  virtual void wait() = 0;

  /// Runs `work` at once, and again whenever the result is called: on a GPU as a graph, recorded after the
  /// first run has loaded each kernel and allocated its memory.
  [[nodiscard]] virtual std::function<void()> record(std::function<void()> work) = 0;

  /// A named range on the timeline of a device's profiler (NVTX), as long as the object lives: of the host,
  /// which on a GPU queues work that ends later. Ranges of a thread nest. A device without a profiler does
  /// nothing.
  class [[nodiscard]] Range {
   public:
    /// Opens the range.
    Range(Backend& backend, const char* name) : backend_(&backend) { backend.push_range(name); }
    ~Range() { backend_->pop_range(); }
    Range(const Range&) = delete;
    Range& operator=(const Range&) = delete;

   private:
    Backend* backend_;
  };

  /// @}
  /// @name Softmax, row by row
  /// Matrices of a call have one shape [rows, cols] and one type, float or double; x and y (dy and dx) may be
  /// the same matrix. A row's bits do not depend on the number of rows on the CPU; on a GPU they may where
  /// rows are few and long (workspace.h).
  /// @{

  /// y_i = exp(x_i - m) / sum_k exp(x_k - m), m the row's maximum.
  void softmax(ConstAnyMatrix x, AnyMatrix y) { forward(RowFunction::softmax, x, y); }
  /// y_i = x_i - m - log sum_k exp(x_k - m)
  void log_softmax(ConstAnyMatrix x, AnyMatrix y) { forward(RowFunction::log_softmax, x, y); }
  /// dx = y ⊙ (dy - <dy, y>): the product of the Jacobian diag(y) - y yᵀ with dy, without the matrix.
  void softmax_backward(ConstAnyMatrix y, ConstAnyMatrix dy, AnyMatrix dx) {
    backward(RowFunction::softmax, y, dy, dx);
  }
  /// dx = dy - exp(y) sum(dy), y = log_softmax(x).
  void log_softmax_backward(ConstAnyMatrix y, ConstAnyMatrix dy, AnyMatrix dx) {
    backward(RowFunction::log_softmax, y, dy, dx);
  }
  /// jacobian [rows * cols, cols]: row r's block is J_ij = y_i (delta_ij - y_j).
  void softmax_jacobian(ConstAnyMatrix y, AnyMatrix jacobian);

  /// The mean cross-entropy of softmax(logits) against targets [rows], and its gradient, in one pass. losses
  /// [rows] may be null; dlogits may be the logits' own memory, or a view without data for the loss alone.
  /// dlogits is the gradient of the mean: (softmax - onehot) w[t] / sum of w[t]. Adds to *sums. A target that
  /// is neither a class nor ignored gives a NaN loss and a NaN row, and is counted.
  void softmax_cross_entropy(ConstView logits, const std::int32_t* targets,
                             const CrossEntropyOptions& options, float* losses, View dlogits,
                             CrossEntropySums* sums);

  /// best[r] = the column of the row's largest value, the first of equals; NaN counts as largest.
  void argmax(ConstView x, std::int32_t* best);

  /// @}
  /// @name Layers
  /// @{

  /// Layers that feed each other, planned together: layer i's output is layer i + 1's input. Destroy none
  /// while another is used.
  [[nodiscard]] std::vector<std::unique_ptr<Linear>> make_layers(std::span<const LinearShape> shapes);
  /// One layer on its own.
  [[nodiscard]] std::unique_ptr<Linear> make_linear(const LinearShape& shape) {
    return std::move(make_layers({&shape, 1}).front());
  }
  /// y = activation(z); in place allowed.
  void activation(Activation kind, ConstView z, View y);
  /// dz = dy ⊙ activation'(z), y = activation(z); in place of dy allowed. z is read by gelu only.
  void activation_backward(Activation kind, ConstView z, ConstView y, ConstView dy, View dz);
  /// y = x with each element set to zero with probability `rate` and divided by 1 - rate otherwise. Chance
  /// depends on (seed, step, layer, element), so that the same call on dy is the backward. rate in [0, 1),
  /// rounded to 1/65536. In place allowed; views are packed. (Srivastava et al., JMLR 15, 2014)
  void dropout(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y);

  /// @}
  /// @name The training step
  /// @{

  /// order [count] = a permutation of 0..count-1 that depends on (seed, epoch) alone.
  void permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order, std::int64_t count);
  /// batch[r] = image order[position + r] times scale, targets[r] its label. A null order is the identity.
  void gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                    View batch, std::int32_t* targets);
  /// One step of SGD at the schedule's rate; then state->step += 1, state->position += rows.
  void sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
                TrainingState* state, std::int64_t rows);
  /// One step of AdamW at the schedule's rate; then state->step += 1, state->position += rows.
  void adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options, const Schedule& schedule,
                  TrainingState* state, std::int64_t rows);
  /// state->position += rows, for passes without an optimizer.
  virtual void advance(TrainingState* state, std::int64_t rows) = 0;

  /// @}

 protected:
  Backend() = default;

 private:
  friend struct ReturnMemory;
  [[nodiscard]] Memory allocate(std::int64_t bytes);
  void forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y);
  void backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy, const AnyMatrix& dx);

  std::int64_t memory_in_use_ = 0;

  virtual void push_range(const char* /*name*/) {}
  virtual void pop_range() noexcept {}

  [[nodiscard]] virtual void* allocate_impl(std::size_t bytes) = 0;  // 256-byte aligned, zeroed
  virtual void deallocate_impl(void* memory) noexcept = 0;
  virtual void copy_to_device(const void* from, void* to, std::size_t bytes) = 0;
  virtual void copy_from_device(const void* from, void* to, std::size_t bytes) = 0;
  virtual void copy_impl(const float* from, float* to, std::int64_t size) = 0;

  // The device's ops on rows, and the workspace and stream that they get.
  [[nodiscard]] virtual const RowOps& row_ops() = 0;
  [[nodiscard]] virtual Workspace split_row_workspace() { return {}; }
  [[nodiscard]] virtual Workspace zeroed_workspace(std::size_t bytes) = 0;
  [[nodiscard]] virtual cudaStream_t stream() const { return nullptr; }

  [[nodiscard]] virtual std::vector<std::unique_ptr<Linear>> make_layers_impl(
      std::span<const LinearShape> shapes) = 0;
  virtual void activation_impl(Activation kind, ConstView z, View y) = 0;
  virtual void activation_backward_impl(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) = 0;
  virtual void dropout_impl(ConstView x, float rate, std::int32_t layer, const TrainingState* state,
                            View y) = 0;
  virtual void permutation_impl(std::uint64_t seed, std::int64_t epoch, std::int32_t* order,
                                std::int64_t count) = 0;
  virtual void gather_batch_impl(const DatasetView& data, const std::int32_t* order,
                                 const TrainingState* state, View batch, std::int32_t* targets) = 0;
  virtual void sgd_step_impl(const ParameterBuffers& parameters, const SgdOptions& options,
                             const Schedule& schedule, TrainingState* state, std::int64_t rows) = 0;
  virtual void adamw_step_impl(const ParameterBuffers& parameters, const AdamwOptions& options,
                               const Schedule& schedule, TrainingState* state, std::int64_t rows) = 0;
};

/// The CPU, always present. threads 0: one for each core this process may use.
[[nodiscard]] std::unique_ptr<Backend> make_cpu_backend(int threads = 0);

/// A CUDA device of this machine, as `softwarp devices` shows it.
struct CudaDevice {
  std::string name;                ///< the driver's name for it
  std::string details;             ///< compute capability, multiprocessors, memory, driver
  std::string unavailable_reason;  ///< why this build cannot use it; empty: it can
};

/// The CUDA devices of this machine. Empty without a driver, and in a build without CUDA.
[[nodiscard]] std::vector<CudaDevice> cuda_devices();

/// Why make_cuda_backend would throw, in one line; empty: it would not.
[[nodiscard]] std::string cuda_unavailable_reason();

/// How linear layers multiply: floats, or floats rounded to 10 (tf32) or 7 (bf16) bits of mantissa by tensor
/// cores. Sums are float in each.
enum class CudaPrecision { fp32, tf32, bf16 };
/// The precisions and their names.
inline constexpr std::array<std::pair<std::string_view, CudaPrecision>, 3> kCudaPrecisions{
    {{"fp32", CudaPrecision::fp32}, {"tf32", CudaPrecision::tf32}, {"bf16", CudaPrecision::bf16}}};

/// Choices of the CUDA backend.
struct CudaOptions {
  CudaPrecision precision = CudaPrecision::fp32;  ///< of linear layers
  /// Time each linear layer's fused and unfused ways once, and keep the faster; the two may differ in last
  /// bits.
  bool tune = false;
};

/// A backend on the first device that can be used: its memory, and one stream that all work is on. Throws
/// Error with cuda_unavailable_reason() where there is none.
[[nodiscard]] std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options = {});

}  // namespace softwarp
