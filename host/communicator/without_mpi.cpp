#include <fmt/format.h>
#include <softwarp/error.h>

#include <cstdlib>

#include "host/communicator/launcher.h"
#include "host/communicator/single_process.h"

namespace softwarp {

std::unique_ptr<Communicator> make_communicator(std::chrono::duration<double>) {
  const Ranks ranks = ranks_of([](const char* name) { return std::getenv(name); });
  if (ranks.size > 1)
    throw Error(
        fmt::format("{}: expected 1 process, as this build has no MPI, found {} (install libopenmpi-dev and "
                    "build softwarp anew)",
                    ranks.launcher, ranks.size));
  return std::make_unique<SingleProcess>();
}

}  // namespace softwarp
