#include <fmt/format.h>
#include <softwarp/backend.h>

#include "host/program/commands.h"
#include "host/program/output.h"

namespace softwarp::program {

void add_devices(CLI::App& app) {
  app.add_subcommand("devices", "List what this program can compute on")->callback([] {
    say("{}\n", make_cpu_backend()->name());
    const auto devices = cuda_devices();
    for (const CudaDevice& device : devices) {
      const std::string usable =
          device.unavailable_reason.empty() ? "usable" : "not usable: " + device.unavailable_reason;
      say("cuda {} ({}), {}\n", device.name, device.details, usable);
    }
    if (devices.empty()) say("no CUDA device: {}\n", cuda_unavailable_reason());
  });
}

}  // namespace softwarp::program
