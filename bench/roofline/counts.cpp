// roofline_counts [COLUMNS]: what our kernels ask of GPUs that are not here, counted on the simulator and
// written to the standard output as JSON: for each GPU, op, type and shape the kernels launched, their
// blocks, bytes, exponentials and shuffles. roofline.py makes times of it. COLUMNS: nothing longer.

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <fmt/format.h>
#include <softwarp/cross_entropy.h>
#include <softwarp/softmax.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/softmax_problem.h"
#include "host/backend/cuda/handles.h"
#include "kernels/primitives/device.h"
#include "kernels/training_ops.h"
#include "simulator/simulator.h"

namespace softwarp {
namespace {

using cuda::DeviceMemory;
using nlohmann::json;

// NVIDIA's data sheets and architecture white papers: memory bandwidth, multiprocessors, and the boost clock,
// which for the data center's cards is their float rate / (2 x float lanes).
struct Gpu {
  const char* name;
  int major, minor, multiprocessors;
  double gigabytes_per_second, gigahertz;
};
constexpr Gpu kGpus[] = {{"A100", 8, 0, 108, 2039, 1.41},  {"RTX 4090", 8, 9, 128, 1008, 2.52},
                         {"H100", 9, 0, 132, 3350, 1.98},  {"H200", 9, 0, 132, 4800, 1.98},
                         {"B200", 10, 0, 148, 8000, 1.97}, {"RTX 5090", 12, 0, 170, 1792, 2.41}};

DeviceLimits limits_of(const Gpu& gpu) {
  return {.multiprocessors = gpu.multiprocessors,
          .shared_bytes = simulator::device_of(gpu.major, gpu.minor).shared_per_block_optin,
          .clusters = gpu.major >= 9,
          .programmatic_launch = gpu.major >= 9};
}

template <class T>
DeviceMemory device_array(std::int64_t size, T value) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, static_cast<std::size_t>(size) * sizeof(T)));
  const std::vector<T> values(static_cast<std::size_t>(size), value);
  check(cudaMemcpy(memory, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  return DeviceMemory(memory);
}

// Runs the kernels and says what they did; `scale` stands for what was left out of as many equal rows.
json counted(const std::function<void()>& run, double scale) {
  simulator::reset_counters();
  run();
  check(cudaStreamSynchronize(nullptr));
  json kernels = json::array();
  for (const simulator::KernelRun& kernel : simulator::kernels_run()) {
    const simulator::Counters& c = kernel.counters;
    const auto scaled = [scale](std::int64_t count) { return scale * static_cast<double>(count); };
    kernels.push_back({{"name", kernel.name},
                       {"launches", c.launches},
                       {"blocks", scaled(kernel.blocks)},
                       {"threads", kernel.threads},
                       {"cluster", kernel.cluster},
                       {"shared", kernel.shared_bytes},
                       {"load_bytes", scaled(c.load_bytes)},
                       {"store_bytes", scaled(c.store_bytes)},
                       {"exponentials", scaled(c.exponentials)},
                       {"collectives", scaled(c.collectives)}});
  }
  for (const std::string& error : simulator::take_errors()) throw Error(error);
  return kernels;
}

// Of many rows a few are run, for each costs as much as the others; few rows may be split, and all are run.
template <class T>
void count_rows(json& entries, const Gpu& gpu, const char* type, const SoftmaxShape& shape) {
  const std::int64_t enough = shape.cols <= 128 ? 256 : shape.cols <= 4096 ? 16 : 2;
  const std::int64_t rows = shape.rows > 16 ? std::min(shape.rows, enough) : shape.rows, cols = shape.cols;
  DeviceLimits limits = limits_of(gpu);
  if (shape.rows > 16) limits.multiprocessors = 1;  // which have no use for split rows
  assume_device_limits(&limits);
  const DeviceMemory x = device_array(rows * cols, T(1.0f)), g = device_array(rows * cols, T(1.0f)),
                     out = device_array(rows * cols, T(0.0f)), targets = device_array<std::int32_t>(rows, 0),
                     sums = device_array<CrossEntropySums>(1, {}),
                     split_memory = device_array<char>(kSplitRowWorkspaceBytes, 0);
  const std::size_t loss_bytes = cross_entropy_workspace_bytes(rows, cols, sizeof(T));
  const DeviceMemory loss_workspace = device_array<char>(static_cast<std::int64_t>(loss_bytes), 0);
  const auto view = [&](const DeviceMemory& memory) {
    return matrix_view(static_cast<T*>(memory.get()), rows, cols);
  };
  const Workspace split{split_memory.get(), kSplitRowWorkspaceBytes};
  const auto run = [&](SoftmaxOp op) {
    switch (op) {
      case SoftmaxOp::softmax: return softmax<T>(view(x), view(out), split, nullptr);
      case SoftmaxOp::log_softmax: return log_softmax<T>(view(x), view(out), split, nullptr);
      case SoftmaxOp::softmax_backward:
        return softmax_backward<T>(view(x), view(g), view(out), split, nullptr);
      case SoftmaxOp::log_softmax_backward:
        return log_softmax_backward<T>(view(x), view(g), view(out), split, nullptr);
      case SoftmaxOp::cross_entropy:
        return softmax_cross_entropy<T>(view(x), static_cast<const std::int32_t*>(targets.get()), {}, nullptr,
                                        nullptr, view(out), static_cast<CrossEntropySums*>(sums.get()),
                                        {loss_workspace.get(), loss_bytes}, nullptr);
    }
  };
  for (const SoftmaxOpInfo& info : kSoftmaxOps)
    entries.push_back({{"gpu", gpu.name},
                       {"op", info.name},
                       {"type", type},
                       {"shape", shape.text()},
                       {"bytes", static_cast<double>(shape.size() * sizeof(T)) * info.matrices},
                       {"kernels", counted([&] { run(info.op); },
                                           static_cast<double>(shape.rows) / static_cast<double>(rows))}});
  assume_device_limits(nullptr);
}

// Counts a training step's kernels beside its products and its loss.
void count_step(json& entries, const Gpu& gpu, std::int64_t batch) {
  constexpr std::int64_t kPixels = 784, kHidden = 512, kParameters = 535818, kPadded = 535872;
  DeviceLimits limits = limits_of(gpu);
  assume_device_limits(&limits);
  const DeviceMemory images = device_array<std::uint8_t>(batch * kPixels, 1),
                     labels = device_array<std::uint8_t>(batch, 1),
                     order = device_array<std::int32_t>(batch, 0),
                     targets = device_array<std::int32_t>(batch, 0), x = device_array(batch * kPixels, 0.0f),
                     y = device_array(batch * kPixels, 0.0f), bias = device_array(kHidden, 0.0f),
                     state = device_array<TrainingState>(1, {}), moments = device_array(4 * kPadded, 0.1f);
  auto* const step = static_cast<TrainingState*>(state.get());
  auto* const values = static_cast<float*>(moments.get());
  const auto input = matrix_view(static_cast<float*>(x.get()), batch, kPixels);
  const auto hidden = matrix_view(static_cast<float*>(x.get()), batch, kHidden),
             gradient = matrix_view(static_cast<float*>(y.get()), batch, kHidden);
  const auto add = [&](const char* op, double bytes, const std::function<void()>& run) {
    entries.push_back({{"gpu", gpu.name},
                       {"op", op},
                       {"type", "float"},
                       {"shape", fmt::format("batch {}", batch)},
                       {"bytes", bytes},
                       {"kernels", counted(run, 1)}});
  };
  const double rows = static_cast<double>(batch);
  add("gather_batch, 784 pixels", rows * (5 * kPixels + 9), [&] {
    gather_batch({static_cast<const std::uint8_t*>(images.get()),
                  static_cast<const std::uint8_t*>(labels.get()), batch, kPixels},
                 static_cast<const std::int32_t*>(order.get()), step, input,
                 static_cast<std::int32_t*>(targets.get()), nullptr);
  });
  add("bias_activation, 512 columns", 8 * rows * kHidden, [&] {
    bias_activation(Activation::relu, hidden, static_cast<const float*>(bias.get()), {}, gradient, nullptr);
  });
  add("bias_activation_backward, 512 columns", 12 * rows * kHidden, [&] {
    bias_activation_backward(Activation::relu, {}, hidden, gradient, gradient,
                             static_cast<float*>(bias.get()), nullptr);
  });
  add("dropout, 512 columns", 8 * rows * kHidden,
      [&] { dropout(hidden, 0.1f, 0, step, gradient, 0, nullptr); });
  add("adamw_step, 535818 parameters", 28.0 * kParameters, [&] {
    const ParameterBuffers parameters{
        values, values + kPadded, values + 2 * kPadded, values + 3 * kPadded, kParameters, kParameters};
    adamw_step(parameters, {}, {}, step, batch, nullptr);
  });
  assume_device_limits(nullptr);
}

json count_all(std::int64_t most_cols) {
  constexpr std::int64_t kElements = std::int64_t{64} << 20;
  std::vector<SoftmaxShape> shapes = {{4096, 10}};
  for (const std::int64_t cols : {10, 128, 1000, 1024, 4096, 8192, 16384, 50257, 65536, 262144})
    shapes.push_back({kElements / cols, cols});
  for (const std::int64_t rows : {1, 16}) shapes.push_back({rows, 262144});
  json entries = json::array(), gpus = json::array();
  for (const Gpu& gpu : kGpus) {
    gpus.push_back({{"name", gpu.name},
                    {"arch", 10 * gpu.major + gpu.minor},
                    {"multiprocessors", gpu.multiprocessors},
                    {"GBps", gpu.gigabytes_per_second},
                    {"GHz", gpu.gigahertz}});
    simulator::Device device = simulator::device_of(gpu.major, gpu.minor);
    device.multiprocessors = gpu.multiprocessors;
    simulator::reset(1, device);
    for (const SoftmaxShape& shape : shapes) {
      if (shape.cols > most_cols) continue;
      count_rows<float>(entries, gpu, "float", shape);
      count_rows<__nv_bfloat16>(entries, gpu, "bfloat16", shape);
    }
    for (const std::int64_t batch : {128, 2048}) count_step(entries, gpu, batch);
  }
  return {{"gpus", gpus}, {"entries", entries}};
}

}  // namespace
}  // namespace softwarp

int main(int argc, char** argv) {
  const std::int64_t most_cols = argc > 1 ? std::atoll(argv[1]) : std::int64_t{1} << 60;
  if (argc > 2 || most_cols < 1) {
    std::cerr << "usage: roofline_counts [COLUMNS], at least 1\n";
    return 2;
  }
  std::cout << softwarp::count_all(most_cols).dump(1) << '\n';
  return 0;
}
