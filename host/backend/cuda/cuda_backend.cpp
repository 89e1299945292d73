#include "host/backend/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "host/backend/cuda/arena.h"
#include "host/backend/cuda/first_device.h"
#include "host/backend/cuda/handles.h"
#include "host/backend/cuda/linear.h"
#include "host/backend/cuda/range.h"
#include "host/backend/cuda/recording.h"
#include "host/backend/error.h"
#include "kernels/softmax.h"
#include "kernels/softmax_cross_entropy.h"
#include "kernels/training_ops.h"

namespace softwarp {
namespace {

cublasComputeType_t compute_type(CudaPrecision precision) {
  switch (precision) {
    case CudaPrecision::fp32: return CUBLAS_COMPUTE_32F;
    case CudaPrecision::tf32: return CUBLAS_COMPUTE_32F_FAST_TF32;
    case CudaPrecision::bf16: return CUBLAS_COMPUTE_32F_FAST_16BF;
  }
  return CUBLAS_COMPUTE_32F;
}

// NVIDIA recommends for cublasLtMatmul: 32 MiB from Hopper on, 4 MiB before.
std::size_t workspace_for_current_device() {
  int device = 0, major = 0;
  check(cudaGetDevice(&device));
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  return std::size_t{major >= 9 ? 32u : 4u} << 20;
}

cuda::HostMemory page_locked(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault));
  return cuda::HostMemory(memory);
}

// Into page-locked memory, for any other would make the copy wait.
class CudaHostCopy final : public HostCopy {
 public:
  CudaHostCopy(std::size_t bytes, cudaStream_t stream)
      : bytes_(bytes),
        stream_(stream),
        memory_(page_locked(bytes)),
        arrived_(cuda::make<cuda::Event>(cudaEventCreateWithFlags, unsigned{cudaEventDisableTiming})) {}
  ~CudaHostCopy() override { cudaEventSynchronize(arrived_.get()); }

  void start(const void* from) override {
    check(cudaMemcpyAsync(memory_.get(), from, bytes_, cudaMemcpyDeviceToHost, stream_));
    check(cudaEventRecord(arrived_.get(), stream_));
  }
  bool has_arrived() override {
    const cudaError_t status = cudaEventQuery(arrived_.get());
    if (status == cudaErrorNotReady) return false;
    check(status);
    return true;
  }
  const void* data() const override { return memory_.get(); }

 private:
  std::size_t bytes_;
  cudaStream_t stream_;
  cuda::HostMemory memory_;
  cuda::Event arrived_;
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options)
      : options_(options),
        device_(cuda::use_first_device()),
        stream_(cuda::make<cuda::Stream>(cudaStreamCreateWithFlags, unsigned{cudaStreamNonBlocking})),
        library_(cuda::make<cuda::LtHandle>(cublasLtCreate)),
        arena_(stream_.get()),
        workspace_bytes_(workspace_for_current_device()),
        workspace_(arena_.take(workspace_bytes_)),
        split_{arena_.take(kSplitRowWorkspaceBytes), kSplitRowWorkspaceBytes} {
    wait();
  }
  ~CudaBackend() override { cudaStreamSynchronize(stream_.get()); }

  std::string name() const override {
    const auto* named = std::ranges::find(kCudaPrecisions, options_.precision,
                                          &std::pair<std::string_view, CudaPrecision>::second);
    return fmt::format("cuda {}, {}", device_, named->first);
  }

  void wait() override { check(cudaStreamSynchronize(stream())); }
  std::unique_ptr<HostCopy> make_host_copy(std::size_t bytes) override {
    return std::make_unique<CudaHostCopy>(bytes, stream());
  }

  std::function<void()> record(std::function<void()> work) override {
    const std::shared_ptr<CUgraphExec_st> graph = cuda::record(stream(), work);
    return [this, graph] { check(cudaGraphLaunch(graph.get(), stream())); };
  }

  void advance(TrainingState* state, std::int64_t rows) override { softwarp::advance(state, rows, stream()); }

 private:
  cudaStream_t stream() const { return stream_.get(); }

  void push_range(const char* name) override { cuda::push_range(name); }
  void pop_range() noexcept override { cuda::pop_range(); }

  void* run_allocate(std::size_t bytes) override { return arena_.take(bytes); }
  void run_free(void* memory) noexcept override { arena_.deallocate(memory); }
  void copy_to_device(const void* from, void* to, std::size_t bytes) override {
    copy_and_wait(from, to, bytes, cudaMemcpyHostToDevice);
  }
  void copy_from_device(const void* from, void* to, std::size_t bytes) override {
    copy_and_wait(from, to, bytes, cudaMemcpyDeviceToHost);
  }
  // Waits: the host's memory is the caller's, and nothing may be under way to it, not even after an error.
  void copy_and_wait(const void* from, void* to, std::size_t bytes, cudaMemcpyKind kind) {
    if (bytes == 0) return;
    check(cudaMemcpyAsync(to, from, bytes, kind, stream()));
    const cudaError_t status = cudaStreamSynchronize(stream());
    if (status != cudaSuccess) cudaStreamSynchronize(stream());
    check(status);
  }

  void run_copy(const float* from, float* to, std::int64_t size) override {
    if (size == 0) return;
    check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(size) * sizeof(float), cudaMemcpyDeviceToDevice,
                          stream()));
  }

  void run_softmax(ConstView x, View y) override { softwarp::softmax<float>(x, y, split_, stream()); }
  void run_softmax(ConstView64 x, View64 y) override { softwarp::softmax<double>(x, y, split_, stream()); }
  void run_log_softmax(ConstView x, View y) override { softwarp::log_softmax<float>(x, y, split_, stream()); }
  void run_log_softmax(ConstView64 x, View64 y) override {
    softwarp::log_softmax<double>(x, y, split_, stream());
  }
  void run_softmax_backward(ConstView y, ConstView dy, View dx) override {
    softwarp::softmax_backward<float>(y, dy, dx, split_, stream());
  }
  void run_softmax_backward(ConstView64 y, ConstView64 dy, View64 dx) override {
    softwarp::softmax_backward<double>(y, dy, dx, split_, stream());
  }
  void run_log_softmax_backward(ConstView y, ConstView dy, View dx) override {
    softwarp::log_softmax_backward<float>(y, dy, dx, split_, stream());
  }
  void run_log_softmax_backward(ConstView64 y, ConstView64 dy, View64 dx) override {
    softwarp::log_softmax_backward<double>(y, dy, dx, split_, stream());
  }
  void run_softmax_jacobian(ConstView y, View jacobian) override {
    softwarp::softmax_jacobian<float>(y, jacobian, stream());
  }
  void run_softmax_jacobian(ConstView64 y, View64 jacobian) override {
    softwarp::softmax_jacobian<double>(y, jacobian, stream());
  }

  void run_softmax_cross_entropy(ConstView logits, const std::int32_t* targets,
                                 const CrossEntropyOptions& options, float* losses, View dlogits,
                                 CrossEntropySums* sums) override {
    // The weight of the batch lies in front of what the kernel itself asks for.
    const std::size_t bytes = cross_entropy_workspace_bytes(logits.rows, logits.cols, sizeof(float));
    char* const workspace = zeroed_workspace(kWeightBytes + bytes);
    float* const weight = options.assume_all_valid ? nullptr : reinterpret_cast<float*>(workspace);
    if (weight != nullptr) cross_entropy_weight(targets, logits.rows, logits.cols, options, weight, stream());
    softwarp::softmax_cross_entropy<float>(logits, targets, options, weight, losses, dlogits, sums,
                                           {workspace + kWeightBytes, bytes}, stream());
  }
  void run_argmax(ConstView x, std::int32_t* best) override {
    softwarp::argmax<float>(x, best, nullptr, nullptr, stream());
  }

  std::unique_ptr<Linear> run_make_linear(const LinearShape& shape) override {
    return cuda::make_linear(*this, shape,
                             {.library = library_.get(),
                              .compute = compute_type(options_.precision),
                              .workspace = workspace_,
                              .workspace_bytes = workspace_bytes_,
                              .stream = stream()},
                             options_.tune);
  }
  void run_activation(Activation kind, ConstView z, View y) override {
    bias_activation(kind, z, nullptr, {}, y, stream());
  }
  void run_activation_backward(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) override {
    bias_activation_backward(kind, z, y, dy, dz, nullptr, stream());
  }
  void run_dropout(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y) override {
    softwarp::dropout(x, rate, layer, state, y, stream());
  }

  void run_permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order,
                       std::int64_t count) override {
    if (count > sorted_most_) {
      sort_bytes_ = permutation_workspace_bytes(count);
      sort_workspace_ = arena_.take(sort_bytes_);
      sorted_most_ = count;
    }
    softwarp::permutation(seed, epoch, order, count, sort_workspace_, sort_bytes_, stream());
  }
  void run_gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                        View batch, std::int32_t* targets) override {
    softwarp::gather_batch(data, order, state, batch, targets, stream());
  }
  void run_sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
                    TrainingState* state, std::int64_t rows) override {
    softwarp::sgd_step(parameters, options, schedule, state, rows, stream());
  }
  void run_adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options,
                      const Schedule& schedule, TrainingState* state, std::int64_t rows) override {
    softwarp::adamw_step(parameters, options, schedule, state, rows, stream());
  }

  // For cross-entropy, which leaves it zeroed where it must be.
  char* zeroed_workspace(std::size_t bytes) {
    if (bytes > loss_workspace_bytes_) {
      loss_workspace_ = arena_.take(bytes);
      loss_workspace_bytes_ = bytes;
    }
    return static_cast<char*>(loss_workspace_);
  }

  static constexpr std::size_t kWeightBytes = 256;

  CudaOptions options_;
  std::string device_;
  cuda::Stream stream_;
  cuda::LtHandle library_;
  cuda::Arena arena_;
  std::size_t workspace_bytes_;
  void* workspace_;
  Workspace split_;
  void* loss_workspace_ = nullptr;  // earlier and smaller ones stay: recordings may use them
  std::size_t loss_workspace_bytes_ = 0;
  void* sort_workspace_ = nullptr;
  std::size_t sort_bytes_ = 0;
  std::int64_t sorted_most_ = 0;
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options) {
  return std::make_unique<CudaBackend>(options);
}

}  // namespace softwarp
