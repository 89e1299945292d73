#pragma once

#include <softwarp/backend.h>
#include <softwarp/train.h>

#include <cstdint>
#include <map>
#include <vector>

#include "host/communicator/communicator.h"
#include "host/model/mlp.h"
#include "host/model/mlp_workspace.h"

namespace softwarp {

// The parts of each batch that are computed on their own, in the order of their rows, and of these the ones
// of this process: `count` in all, from `first` to before `end`. With one shard there is one a process.
struct Shards {
  std::int64_t count = 1;
  std::int64_t first = 0;
  std::int64_t end = 1;

  // Expects a power of two of shards that the number of processes divides, or one shard.
  Shards(std::int64_t shards, const Communicator& communicator);
  // Shard s of a batch of `rows` begins here, and ends where the next begins. Some may be empty.
  std::int64_t begin(std::int64_t rows, std::int64_t s) const { return rows * s / count; }
};

// The workspaces of the parts that a process computes, which have few different sizes.
class ShardWorkspaces {
 public:
  ShardWorkspaces(const Mlp& mlp, bool trains, const DropoutRates& rates = {})
      : mlp_(&mlp), trains_(trains), rates_(rates) {}

  // Makes those of a batch of `rows`.
  void prepare(const Shards& shards, std::int64_t rows);
  // Of a part of `rows` rows, more than none, that has been prepared.
  MlpWorkspace& of(std::int64_t rows) { return workspaces_.at(rows); }

 private:
  const Mlp* mlp_;
  bool trains_;
  DropoutRates rates_;
  std::map<std::int64_t, MlpWorkspace> workspaces_;
};

// The score of all shards from the sums of this process's: [shards.end - shards.first]. The order of the
// additions depends on the number of shards alone.
[[nodiscard]] Score score_of(const std::vector<CrossEntropySums>& shards, Communicator& communicator);

}  // namespace softwarp
