#pragma once

/// @file
/// The ops that a multilayer perceptron and its training are made of, on the CPU or a GPU.

#include <softwarp/any_matrix.h>
#include <softwarp/augment.h>
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
/// Functions of a row that have a forward and a backward of one signature.
enum class RowFunction {
  softmax,     ///< softmax
  log_softmax  ///< its logarithm
};

/// The ops of one device.
///
/// Memory: all pointers and views are into this backend's own memory, except as said. The host reads results
/// with `download`. Everything made by a backend must be destroyed before it. Results overlap no input,
/// except as said.
///
/// Streams: on a GPU all work is queued on the backend's one stream, in the order of the calls. On the CPU it
/// is done when a call returns. One thread at a time may use a backend.
///
/// Errors: wrong shapes throw std::invalid_argument on every device, and a device's refusal throws Error.
/// Zero rows are no work, not an error.
class Backend {
 public:
  using View = MatrixView<float>;            ///< a matrix that is written
  using ConstView = ConstMatrixView<float>;  ///< a matrix that is only read

  /// Waits for the device, then frees what it has.
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  /// A text for people, such as "cpu (2 threads, AVX3_ZEN4)".
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

  /// Copies from the host's memory and waits for the copy.
  template <class T>
  void upload(std::span<const T> from, T* to) {
    copy_to_device(from.data(), to, from.size_bytes());
  }
  /// Copies to the host's memory. Waits for everything before it.
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
  /// Makes an object that copies `bytes` at a time to the host without a wait.
  [[nodiscard]] virtual std::unique_ptr<HostCopy> make_host_copy(std::size_t bytes) = 0;
  /// Copies `size` floats within the backend's memory; the two places do not overlap.
  void copy(const float* from, float* to, std::int64_t size);
  /// Bytes of the arrays and matrices that there are now.
  std::int64_t memory_in_use() const { return memory_in_use_; }
  /// Waits until all queued work is done.
  virtual void wait() = 0;
  /// The stream that work is queued on. Null on the CPU.
  [[nodiscard]] virtual cudaStream_t stream() const { return nullptr; }
  /// Lets `wait` do the waits of wait(), of uploads and of downloads from now on, for whoever has to look
  /// after something else meanwhile: it is called with a function that returns true once the device is done,
  /// and asks it until then. An empty one: the backend waits by itself. The CPU never waits.
  virtual void wait_by(std::function<void(const std::function<bool()>& done)> /*wait*/) {}

  /// Runs `work` at once, and again whenever the result is called. On a GPU the result replays a CUDA graph,
  /// recorded after the first run has loaded each kernel and allocated its memory. `work` must then queue the
  /// same work each time and neither upload, download nor wait. What it uses must outlive the result.
  [[nodiscard]] virtual std::function<void()> record(std::function<void()> work) = 0;

  /// A named range on the timeline of a device's profiler (NVTX), as long as the object lives. It shows the
  /// host's time; work that it queued on a GPU ends later. Ranges of a thread nest. On the CPU it does
  /// nothing.
  class [[nodiscard]] Range {
   public:
    /// Opens the range.
    Range(Backend& backend, const char* name) : backend_(&backend) { backend.push_range(name); }
    /// Closes the range.
    ~Range() { backend_->pop_range(); }
    Range(const Range&) = delete;
    Range& operator=(const Range&) = delete;

   private:
    Backend* backend_;
  };

  /// @}
  /// @name Softmax, row by row
  /// Matrices of a call have one shape [rows, cols] and one type: float, double, or on a GPU also half or
  /// bfloat16. The result may be one of the inputs. Values are as in <softwarp/softmax.h>. On the CPU a row's
  /// bits do not depend on the number of rows; on a GPU they may if rows are few and long
  /// (<softwarp/workspace.h>).
  /// @{

  /// Computes y_i = exp(x_i - m) / sum_k exp(x_k - m) of each row; m is the row's maximum.
  void softmax(ConstAnyMatrix x, AnyMatrix y) { forward(RowFunction::softmax, x, y); }
  /// Computes y_i = x_i - m - log sum_k exp(x_k - m) of each row.
  void log_softmax(ConstAnyMatrix x, AnyMatrix y) { forward(RowFunction::log_softmax, x, y); }
  /// Computes dx = y ⊙ (dy - sum(dy ⊙ y)) of each row, y = softmax(x): the product of the Jacobian diag(y) -
  /// y yᵀ with dy, without the matrix.
  void softmax_backward(ConstAnyMatrix y, ConstAnyMatrix dy, AnyMatrix dx) {
    backward(RowFunction::softmax, y, dy, dx);
  }
  /// Computes dx = dy - exp(y) sum(dy) of each row, y = log_softmax(x).
  void log_softmax_backward(ConstAnyMatrix y, ConstAnyMatrix dy, AnyMatrix dx) {
    backward(RowFunction::log_softmax, y, dy, dx);
  }
  /// Computes jacobian [rows * cols, cols] of y = softmax(x) [rows, cols]: row r's block begins at row r *
  /// cols and is J_ij = y_i (delta_ij - y_j). It does not overlap y.
  void softmax_jacobian(ConstAnyMatrix y, AnyMatrix jacobian);

  /// Computes the cross-entropy of softmax(logits) against targets [rows], and the gradient of the mean loss,
  /// in one pass. logits and dlogits are [rows, cols] of floats. `losses` [rows] may be null. dlogits may be
  /// the logits' own memory, or a view without data for the loss alone. The gradient without smoothing is
  /// (softmax - onehot) w[t] / sum of w[t]. The call adds to `*sums`, which lies in the backend's memory. A
  /// target that is neither a class nor ignored makes the row's loss and gradient NaN, and is counted.
  void softmax_cross_entropy(ConstView logits, const std::int32_t* targets,
                             const CrossEntropyOptions& options, float* losses, View dlogits,
                             CrossEntropySums* sums);

  /// Computes best[r], the column of the largest element of row r. The first of equal elements counts; NaN
  /// counts as largest. x is [rows, cols], best is [rows].
  void argmax(ConstView x, std::int32_t* best);

  /// @}
  /// @name Layers
  /// @{

  /// Makes layers that feed each other: layer i's output is layer i + 1's input. They are planned together,
  /// because a device may fuse a layer's backward with the activation of the layer below. Destroy none while
  /// another is used.
  [[nodiscard]] std::vector<std::unique_ptr<Linear>> make_layers(std::span<const LinearShape> shapes);
  /// Makes one layer on its own.
  [[nodiscard]] std::unique_ptr<Linear> make_linear(const LinearShape& shape) {
    return std::move(make_layers({&shape, 1}).front());
  }
  /// Computes y = activation(z). y may be z.
  void activation(Activation kind, ConstView z, View y);
  /// Computes dz = dy ⊙ activation'(z), y = activation(z). dz may be dy. Only gelu reads z.
  void activation_backward(Activation kind, ConstView z, ConstView y, ConstView dy, View dz);
  /// Sets each element to zero with probability `rate` and divides it by 1 - rate otherwise (Srivastava et
  /// al., JMLR 15, 2014). The random numbers are a function of the state's seed and step, of the layer and of
  /// the element, so that the same call on dy is the backward. `rate` lies in [0, 1) and is rounded to
  /// 1/65536. Views are packed; y may be x. If x is a part of a batch, `first_row` is its first row there:
  /// the random numbers are those of the batch.
  void dropout(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y,
               std::int64_t first_row = 0);

  /// @}
  /// @name The training step
  /// @{

  /// Writes to order [count] a permutation of 0..count - 1 that depends on seed, epoch and count alone. count
  /// is below 2^31.
  void permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order, std::int64_t count);
  /// Writes to batch[r] the image order[state->position + r] times the scale, and its label to targets[r]. A
  /// null order is the identity. batch is [rows, pixels], targets is [rows]. Images may be bytes or floats.
  void gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                    View batch, std::int32_t* targets);
  /// Does the same with images of bytes, which are deformed as `augmentation` says, at state->epoch. What
  /// leaves an image as it is leaves its bits. Devices agree to rounding. On a GPU, elastic deformation needs
  /// about (height + 6 sigma) (10 width + 12 sigma) bytes of a block's shared memory, and throws Error if
  /// there are fewer; of 28x28 pixels any sigma fits.
  void augment_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                     const Augmentation& augmentation, View batch, std::int32_t* targets);
  /// Does one step of SGD at the schedule's rate; then state->step += 1 and state->position += rows. `rows`
  /// are the images of the batch.
  void sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
                TrainingState* state, std::int64_t rows);
  /// Does one step of AdamW at the schedule's rate; then state->step += 1 and state->position += rows.
  void adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options, const Schedule& schedule,
                  TrainingState* state, std::int64_t rows);
  /// Moves average [size] on to the exponential moving average of what values [size] were after the steps 1,
  /// 2, ... t = state->step. The weight of step i is in proportion to decay^(t - i), and the weights' sum is
  /// 1: average += (1 - decay) / (1 - decay^t) (values - average). `decay` lies in (0, 1).
  void average_parameters(const float* values, float* average, std::int64_t size, float decay,
                          const TrainingState* state);
  /// Scales each row of x whose Euclidean norm is above max_norm to that norm, as torch.renorm does: the
  /// max-norm constraint of Srivastava et al., JMLR 15, 2014, if x is a layer's weights [outputs, inputs]. A
  /// row of which the squares' sum is no finite float stays as it is.
  void renorm_rows(View x, float max_norm);
  /// Computes to += from, each [size].
  void add(const float* from, float* to, std::int64_t size);
  /// Does state->position += rows, for passes without an optimizer and between the parts of a batch.
  virtual void advance(TrainingState* state, std::int64_t rows) = 0;

  /// @}

 protected:
  /// For implementations.
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

  // The device's ops on rows, and the workspace that they get.
  [[nodiscard]] virtual const RowOps& row_ops() = 0;
  [[nodiscard]] virtual Workspace split_row_workspace() { return {}; }
  [[nodiscard]] virtual Workspace zeroed_workspace(std::size_t bytes) = 0;

  [[nodiscard]] virtual std::vector<std::unique_ptr<Linear>> make_layers_impl(
      std::span<const LinearShape> shapes) = 0;
  virtual void activation_impl(Activation kind, ConstView z, View y) = 0;
  virtual void activation_backward_impl(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) = 0;
  virtual void dropout_impl(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y,
                            std::int64_t first_row) = 0;
  virtual void add_impl(const float* from, float* to, std::int64_t size) = 0;
  virtual void permutation_impl(std::uint64_t seed, std::int64_t epoch, std::int32_t* order,
                                std::int64_t count) = 0;
  virtual void gather_batch_impl(const DatasetView& data, const std::int32_t* order,
                                 const TrainingState* state, View batch, std::int32_t* targets) = 0;
  virtual void augment_batch_impl(const DatasetView& data, const std::int32_t* order,
                                  const TrainingState* state, const Augmentation& augmentation, View batch,
                                  std::int32_t* targets) = 0;
  virtual void sgd_step_impl(const ParameterBuffers& parameters, const SgdOptions& options,
                             const Schedule& schedule, TrainingState* state, std::int64_t rows) = 0;
  virtual void adamw_step_impl(const ParameterBuffers& parameters, const AdamwOptions& options,
                               const Schedule& schedule, TrainingState* state, std::int64_t rows) = 0;
  virtual void average_parameters_impl(const float* values, float* average, std::int64_t size, float decay,
                                       const TrainingState* state) = 0;
  virtual void renorm_rows_impl(View x, float max_norm) = 0;
};

/// Makes a backend on the CPU. With `threads` 0 it uses a thread for each core that this process may use.
[[nodiscard]] std::unique_ptr<Backend> make_cpu_backend(int threads = 0);

/// A CUDA device of this machine.
struct CudaDevice {
  std::string name;                ///< the driver's name for it
  std::string details;             ///< compute capability, multiprocessors, memory, driver
  std::string unavailable_reason;  ///< why this build cannot use it; empty if it can
};

/// The CUDA devices of this machine. Empty without a driver, and in a build without CUDA.
[[nodiscard]] std::vector<CudaDevice> cuda_devices();

/// One line that says why make_cuda_backend would throw for this `device` (CudaOptions::device); empty if it
/// would not.
[[nodiscard]] std::string cuda_unavailable_reason(int device = -1);

/// The rounding of the operands of linear layers' products. Sums and storage are float in each.
enum class CudaPrecision {
  fp32,  ///< none
  tf32,  ///< to 10 bits of mantissa, on tensor cores
  bf16   ///< to 7 bits of mantissa, on tensor cores
};
/// The names of the precisions.
inline constexpr std::array<std::pair<std::string_view, CudaPrecision>, 3> kCudaPrecisions{
    {{"fp32", CudaPrecision::fp32}, {"tf32", CudaPrecision::tf32}, {"bf16", CudaPrecision::bf16}}};

/// Choices of the CUDA backend.
struct CudaOptions {
  CudaPrecision precision = CudaPrecision::fp32;  ///< of linear layers' products
  /// If true, making a layer times its fused and unfused products once and keeps the faster; the two may
  /// differ in their last bits.
  bool tune = false;
  /// The device's number, from 0; where there is only one, that one in any case. -1: the first that can be
  /// used.
  int device = -1;
};

/// Makes a backend on a CUDA device, with memory and a stream of its own. Throws
/// Error with cuda_unavailable_reason() if there is none.
[[nodiscard]] std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options = {});

}  // namespace softwarp
