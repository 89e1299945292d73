#pragma once

#include <softwarp/backend.h>
#include <softwarp/train.h>

#include <CLI/App.hpp>
#include <cstdint>
#include <map>
#include <string>

#include "host/communicator/communicator.h"

namespace softwarp::program {

// --shards, and --timeout in seconds.
void add_rank_flags(CLI::App& command, std::int64_t& shards, double& timeout);

// Throws CLI::ValidationError if the shards do not divide the batch, or the ranks not the shards.
void check_shards(const TrainingSettings& settings, const Communicator& ranks);

// CudaOptions::device of this rank: its number on its machine.
[[nodiscard]] int device_of_rank(const Communicator& ranks);

// The kind of device that all ranks must have: the model with --shards, otherwise cpu or cuda.
[[nodiscard]] std::string kind_of(const Backend& backend, const TrainingSettings& settings);

// Throws Error, which names the first rank and value that differ, unless all ranks have the same.
void expect_same_on_all(Communicator& ranks, const std::map<std::string, std::string>& values);

// The ranks, their devices and the shards, for a line of the table; empty without several of either. Every
// rank must ask.
[[nodiscard]] std::string ranks_text(Communicator& ranks, const Backend& backend, std::int64_t shards);

// Leaves what this rank prints to nobody, unless it is rank 0.
void silence_other_ranks(const Communicator& ranks);

// Throws the exception that is being handled anew, on the one rank that reports it; on the others ExitCode.
// `output` is the directory of the run, or empty.
[[noreturn]] void rethrow_on_one(Communicator& ranks, const std::string& output);

}  // namespace softwarp::program
