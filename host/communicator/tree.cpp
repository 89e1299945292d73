#include "host/communicator/tree.h"

#include <softwarp/error.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <vector>

namespace softwarp {

void sum_tree(int rank, int ranks, std::span<float> values, const Exchange& exchange) {
  constexpr std::size_t kPart = std::size_t{1} << 20;  // floats: what is received lies in 4 MiB
  expects(std::has_single_bit(static_cast<unsigned>(ranks)), "a power of two of ranks");
  std::vector<float> received(std::min(kPart, values.size()));
  for (std::size_t first = 0; first < values.size(); first += kPart) {
    const std::span<float> part = values.subspan(first, std::min(kPart, values.size() - first));
    const std::span<float> theirs = std::span(received).first(part.size());
    for (int distance = 1; distance < ranks; distance *= 2) {
      const int partner = rank ^ distance;
      exchange(partner, part, theirs);
      const bool left = rank < partner;
      for (std::size_t i = 0; i < part.size(); ++i)
        part[i] = left ? part[i] + theirs[i] : theirs[i] + part[i];
    }
  }
}

}  // namespace softwarp
