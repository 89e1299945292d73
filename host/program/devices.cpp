#include <fmt/format.h>
#include <softwarp/backend.h>

#include "host/program/commands.h"

namespace softwarp::program {

void add_devices(CLI::App& app) {
  app.add_subcommand("devices", "List what this program can compute on")->callback([] {
    fmt::print("{}\n", make_cpu_backend()->name());
    const auto devices = cuda_devices();
    for (const CudaDevice& device : devices) {
      const std::string usable =
          device.unavailable_reason.empty() ? "usable" : "not usable: " + device.unavailable_reason;
      fmt::print("cuda {} ({}), {}\n", device.name, device.details, usable);
    }
    if (devices.empty()) fmt::print("no CUDA device: {}\n", cuda_unavailable_reason());
  });
}

}  // namespace softwarp::program
