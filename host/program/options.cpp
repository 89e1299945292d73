#include "host/program/options.h"

#include <fmt/format.h>

#include <cstdio>

#include "host/backend/cuda/cuda_backend.h"

namespace softwarp::program {

void DeviceOptions::add_to(CLI::App& command) {
  command.add_option("--device", device, "Where to compute; auto takes a GPU if there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str()
      ->group("Device");
  command.add_option("--threads", threads, "CPU threads; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str()
      ->group("Device");
}

std::unique_ptr<Backend> DeviceOptions::make_backend() const {
  if (device == "cpu") return make_cpu_backend(threads);
  const std::string refusal = cuda_refusal();
  if (device == "cuda" || refusal.empty()) return make_cuda_backend();
  fmt::print(stderr, "using the CPU: {}\n", refusal);
  return make_cpu_backend(threads);
}

}  // namespace softwarp::program
