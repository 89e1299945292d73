#include "host/training/shards.h"

#include <softwarp/error.h>

#include <bit>
#include <cstring>
#include <string>
#include <string_view>

namespace softwarp {

Shards::Shards(std::int64_t shards, const Communicator& communicator) {
  const int size = communicator.size();
  expects(shards == 1 ||
              (shards > 0 && std::has_single_bit(static_cast<std::uint64_t>(shards)) && shards % size == 0),
          "a power of two of shards that the number of processes divides");
  count = shards == 1 ? size : shards;
  first = count / size * communicator.rank();
  end = first + count / size;
}

void ShardWorkspaces::prepare(const Shards& shards, std::int64_t rows) {
  for (std::int64_t s = shards.first; s < shards.end; ++s)
    if (const std::int64_t size = shards.begin(rows, s + 1) - shards.begin(rows, s); size > 0)
      workspaces_.try_emplace(size, *mlp_, size, trains_, rates_);
}

Score score_of(const std::vector<CrossEntropySums>& shards, Communicator& communicator) {
  const std::string_view bytes(reinterpret_cast<const char*>(shards.data()),
                               shards.size() * sizeof(CrossEntropySums));
  double loss = 0;
  std::int64_t correct = 0, rows = 0;
  for (const std::string& of_rank : communicator.gather(bytes))
    for (std::size_t at = 0; at < of_rank.size(); at += sizeof(CrossEntropySums)) {
      CrossEntropySums sums;
      std::memcpy(&sums, of_rank.data() + at, sizeof(CrossEntropySums));
      loss += sums.loss;
      correct += sums.correct;
      rows += sums.rows;
    }
  const auto images = static_cast<double>(rows);
  return {.loss = loss / images, .accuracy = static_cast<double>(correct) / images, .images = rows};
}

}  // namespace softwarp
