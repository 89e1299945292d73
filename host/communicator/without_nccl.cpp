#include <fmt/format.h>
#include <softwarp/backend.h>
#include <softwarp/error.h>

#include "host/communicator/communicator.h"

namespace softwarp {

std::unique_ptr<Communicator> make_device_communicator(Backend& backend, Communicator& processes) {
  if (processes.size() > 1 && backend.stream() != nullptr)
    throw Error(fmt::format(
        "--device: expected the CPU for several ranks, as this build has no NCCL, found {} (--device cpu, or "
        "install libnccl-dev and build softwarp anew)",
        backend.name()));
  return nullptr;
}

}  // namespace softwarp
