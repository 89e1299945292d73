#include <softwarp/backend.h>
#include <softwarp/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "host/backend/cuda/arena.h"
#include "host/backend/cuda/handles.h"
#include "host/backend/cuda/host_wait.h"
#include "host/backend/cuda/linear.h"
#include "host/backend/cuda/range.h"
#include "host/backend/cuda/recording.h"
#include "host/backend/cuda/use_device.h"
#include "host/backend/row_ops.h"
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
  CudaHostCopy(std::size_t bytes, cudaStream_t stream, const cuda::HostWait& host)
      : bytes_(bytes),
        stream_(stream),
        host_(&host),
        memory_(page_locked(bytes)),
        arrived_(cuda::make<cuda::Event>(cudaEventCreateWithFlags, unsigned{cudaEventDisableTiming})) {}
  ~CudaHostCopy() override { host_->wait_quietly_for(arrived_.get()); }

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
  const cuda::HostWait* host_;
  cuda::HostMemory memory_;
  cuda::Event arrived_;
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options)
      : options_(options),
        device_(cuda::use_device(options.device)),
        stream_(cuda::make<cuda::Stream>(cudaStreamCreateWithFlags, unsigned{cudaStreamNonBlocking})),
        library_(cuda::make<cuda::LtHandle>(cublasLtCreate)),
        arena_(stream_.get()),
        matmul_(workspace_of(workspace_for_current_device())),
        split_row_(workspace_of(kSplitRowWorkspaceBytes)) {
    wait();
  }
  ~CudaBackend() override { host_.wait_quietly_for(stream_.get()); }

  std::string name() const override {
    const auto* named = std::ranges::find(kCudaPrecisions, options_.precision,
                                          &std::pair<std::string_view, CudaPrecision>::second);
    return fmt::format("cuda {}, {}", device_, named->first);
  }

  void wait() override { host_.wait_for(stream()); }
  cudaStream_t stream() const override { return stream_.get(); }
  void wait_by(std::function<void(const std::function<bool()>& done)> wait) override {
    host_.by(std::move(wait));
  }
  std::unique_ptr<HostCopy> make_host_copy(std::size_t bytes) override {
    return std::make_unique<CudaHostCopy>(bytes, stream(), host_);
  }

  std::function<void()> record(std::function<void()> work) override {
    const std::shared_ptr<CUgraphExec_st> graph = cuda::record(stream(), work);
    return [this, graph] { check(cudaGraphLaunch(graph.get(), stream())); };
  }

  void advance(TrainingState* state, std::int64_t rows) override { softwarp::advance(state, rows, stream()); }

 private:
  Workspace workspace_of(std::size_t bytes) { return {arena_.allocate(bytes), bytes}; }

  void push_range(const char* name) override { cuda::push_range(name); }
  void pop_range() noexcept override { cuda::pop_range(); }

  void* allocate_impl(std::size_t bytes) override { return arena_.allocate(bytes); }
  void deallocate_impl(void* memory) noexcept override { arena_.deallocate(memory); }
  void copy_to_device(const void* from, void* to, std::size_t bytes) override {
    copy_and_wait(from, to, bytes, cudaMemcpyHostToDevice);
  }
  void copy_from_device(const void* from, void* to, std::size_t bytes) override {
    copy_and_wait(from, to, bytes, cudaMemcpyDeviceToHost);
  }
  // Waits: the host's memory is the caller's, and nothing may be under way to it, not even after an error.
  void copy_and_wait(const void* from, void* to, std::size_t bytes, cudaMemcpyKind kind) {
    if (bytes == 0) return;
    if (host_.polls()) wait();  // CUDA may wait within a copy of memory that is not page-locked
    check(cudaMemcpyAsync(to, from, bytes, kind, stream()));
    try {
      wait();
    } catch (const Error&) {
      host_.wait_quietly_for(stream());
      throw;
    }
  }

  void copy_impl(const float* from, float* to, std::int64_t size) override {
    if (size == 0) return;
    check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(size) * sizeof(float), cudaMemcpyDeviceToDevice,
                          stream()));
  }

  const RowOps& row_ops() override { return cuda_row_ops(); }
  Workspace split_row_workspace() override { return split_row_; }
  // For cross-entropy, which leaves it zeroed where it must be.
  Workspace zeroed_workspace(std::size_t bytes) override {
    if (bytes > loss_.bytes) loss_ = workspace_of(bytes);
    return loss_;
  }

  std::vector<std::unique_ptr<Linear>> make_layers_impl(std::span<const LinearShape> shapes) override {
    return cuda::make_layers(*this, shapes,
                             {.library = library_.get(),
                              .compute = compute_type(options_.precision),
                              .workspace = matmul_.data,
                              .workspace_bytes = matmul_.bytes,
                              .stream = stream()},
                             options_.tune);
  }
  void activation_impl(Activation kind, ConstView z, View y) override {
    bias_activation(kind, z, nullptr, {}, y, stream());
  }
  void activation_backward_impl(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) override {
    bias_activation_backward(kind, z, y, dy, dz, nullptr, stream());
  }
  void dropout_impl(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y,
                    std::int64_t first_row) override {
    softwarp::dropout(x, rate, layer, state, y, first_row, stream());
  }
  void add_impl(const float* from, float* to, std::int64_t size) override {
    softwarp::add(from, to, size, stream());
  }

  void permutation_impl(std::uint64_t seed, std::int64_t epoch, std::int32_t* order,
                        std::int64_t count) override {
    if (count > sorted_most_) {
      sort_ = workspace_of(permutation_workspace_bytes(count));
      sorted_most_ = count;
    }
    softwarp::permutation(seed, epoch, order, count, sort_, stream());
  }
  void gather_batch_impl(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                         View batch, std::int32_t* targets) override {
    softwarp::gather_batch(data, order, state, batch, targets, stream());
  }
  void augment_batch_impl(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                          const Augmentation& augmentation, View batch, std::int32_t* targets) override {
    softwarp::augment_batch(data, order, state, augmentation, batch, targets, stream());
  }
  void sgd_step_impl(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
                     TrainingState* state, std::int64_t rows) override {
    softwarp::sgd_step(parameters, options, schedule, state, rows, stream());
  }
  void adamw_step_impl(const ParameterBuffers& parameters, const AdamwOptions& options,
                       const Schedule& schedule, TrainingState* state, std::int64_t rows) override {
    softwarp::adamw_step(parameters, options, schedule, state, rows, stream());
  }
  void average_parameters_impl(const float* values, float* average, std::int64_t size, float decay,
                               const TrainingState* state) override {
    softwarp::average_parameters(values, average, size, decay, state, stream());
  }
  void renorm_rows_impl(View x, float max_norm) override { softwarp::renorm_rows(x, max_norm, stream()); }

  CudaOptions options_;
  cuda::HostWait host_;
  std::string device_;
  cuda::Stream stream_;
  cuda::LtHandle library_;
  cuda::Arena arena_;
  Workspace matmul_;
  Workspace split_row_;
  Workspace loss_;  // earlier and smaller ones stay: recordings may use them
  Workspace sort_;
  std::int64_t sorted_most_ = 0;
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options) {
  return std::make_unique<CudaBackend>(options);
}

}  // namespace softwarp
