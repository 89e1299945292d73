#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace softwarp {

// Sends `mine` to a rank, and receives as much from it.
using Exchange = std::function<void(int partner, std::span<const float> mine, std::span<float> theirs)>;

// values becomes the sum over `ranks` ranks, a power of two, by recursive doubling: in round k rank r
// exchanges with r ^ 2^k, so that both hold the sum of 2^(k+1) neighbouring ranks, added as one binary tree.
// The lower ranks' sum is the left operand everywhere, so that each rank has the same bits.
void sum_tree(int rank, int ranks, std::span<float> values, const Exchange& exchange);

}  // namespace softwarp
