#include "host/communicator/launcher.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <charconv>
#include <cstring>
#include <system_error>

namespace softwarp {
namespace {

struct Launcher {
  const char *rank, *size;
};

// Slurm sets SLURM_NTASKS in a batch script, too, which is one process: the step's variable is srun's alone.
constexpr Launcher kLaunchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                   {"PMI_RANK", "PMI_SIZE"},
                                   {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
                                   {"RANK", "WORLD_SIZE"}};

int number(const char* name, const char* text, int least, int most) {
  int value = -1;
  const char* const end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  if (error != std::errc() || at != end || value < least || value > most)
    throw Error(fmt::format("{}: expected a number from {} to {}, found {}", name, least, most, text));
  return value;
}

}  // namespace

Ranks ranks_of(const Environment& environment) {
  for (const Launcher& launcher : kLaunchers) {
    const char *rank = environment(launcher.rank), *size = environment(launcher.size);
    if (rank == nullptr || size == nullptr) continue;
    Ranks ranks;
    ranks.launcher = launcher.size;
    ranks.size = number(launcher.size, size, 1, 1 << 20);
    ranks.rank = number(launcher.rank, rank, 0, ranks.size - 1);
    return ranks;
  }
  return {};
}

int local_rank(const Environment& environment) {
  for (const char* const name :
       {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", "LOCAL_RANK"})
    if (const char* const text = environment(name)) return number(name, text, 0, (1 << 20) - 1);
  return -1;
}

}  // namespace softwarp
