#pragma once

#include <functional>
#include <string>

namespace softwarp {

// The place of this process among those that a launcher started together.
struct Ranks {
  int rank = 0;
  int size = 1;
  std::string launcher;  // the variable that says how many there are; empty: none does
};

// The value of an environment variable; null: it is not set.
using Environment = std::function<const char*(const char*)>;

// From the variables of Open MPI's mpirun, of PMI (MPICH, Intel MPI), of srun, or of torchrun, in this order.
// Throws Error if they are no numbers, or the rank is none of `size`.
[[nodiscard]] Ranks ranks_of(const Environment& environment);

// This process's number among those of its machine, from the variables of Open MPI, of Intel MPI and MPICH,
// of srun, or of torchrun, in this order; -1: none says so.
[[nodiscard]] int local_rank(const Environment& environment);

}  // namespace softwarp
