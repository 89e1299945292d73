#include "host/program/ranks.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "host/communicator/launcher.h"
#include "host/program/commands.h"
#include "host/program/options.h"
#include "host/program/runs.h"

namespace softwarp::program {

void add_rank_flags(CLI::App& command, std::int64_t& shards, double& timeout) {
  const auto in = [](CLI::Option* option) { return option->capture_default_str()->group("Ranks"); };
  const auto power_of_two = [](const std::string& text) {
    const bool is_one = std::has_single_bit(static_cast<std::uint64_t>(std::stoll(text)));
    return is_one ? std::string() : fmt::format("expected a power of two, found {}", text);
  };
  in(command.add_option("--shards", shards,
                        "Parts of a batch, a power of two: the same bits on as many ranks or fewer"))
      ->check(count_in(1, 1 << 12))
      ->check(CLI::Validator(power_of_two, ""));
  in(command.add_option("--timeout", timeout, "Seconds that a rank waits for another one"))
      ->check(number_in(0.1, 1e6));
}

void check_shards(const TrainingSettings& settings, const Communicator& ranks) {
  const std::int64_t shards = settings.shards, batch = settings.batch_size;
  if (shards == 1 && ranks.size() == 1) return;
  if (batch % shards != 0)
    throw CLI::ValidationError(
        "--batch-size", fmt::format("expected a multiple of --shards {}, found {} (the next is {})", shards,
                                    batch, (batch / shards + 1) * shards));
  if (shards > 1 && shards % ranks.size() != 0)
    throw CLI::ValidationError(
        "--shards", fmt::format("expected a number that {} ranks divide, found {}", ranks.size(), shards));
}

int device_of_rank(const Communicator& ranks) {
  return ranks.size() == 1 ? -1 : local_rank([](const char* name) { return std::getenv(name); });
}

std::string kind_of(const Backend& backend, const TrainingSettings& settings) {
  const std::string cuda = "cuda ";
  std::string name = backend.name();
  if (settings.shards == 1) return name.substr(0, name.find(' '));
  if (!name.starts_with(cuda)) return name;
  return cuda + name.substr(std::min(name.find(' ', cuda.size()) + 1, name.size()));  // without its number
}

void expect_same_on_all(Communicator& ranks, const std::map<std::string, std::string>& values) {
  const std::vector<std::string> all = ranks.gather(nlohmann::json(values).dump());
  const auto first = nlohmann::json::parse(all.front()).get<std::map<std::string, std::string>>();
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    const auto other = nlohmann::json::parse(all[rank]).get<std::map<std::string, std::string>>();
    for (const auto& [name, value] : first) {
      const auto found = other.find(name);
      if (found == other.end() || found->second != value)
        throw Error(fmt::format("rank {}: expected {} {}, which rank 0 has, found {}", rank, name, value,
                                found == other.end() ? "none" : found->second));
    }
  }
}

std::string ranks_text(Communicator& ranks, const Backend& backend, std::int64_t shards) {
  const std::vector<std::string> devices = ranks.gather(backend.name());
  const bool same = std::all_of(devices.begin(), devices.end(),
                                [&](const std::string& device) { return device == devices.front(); });
  if (shards == 1 && ranks.size() == 1) return "";
  std::string text = fmt::format("{}", ranks.size());
  if (same)
    text += fmt::format("{} on {}", ranks.size() > 1 ? ", each" : "", devices.front());
  else
    for (std::size_t rank = 0; rank < devices.size(); ++rank)
      text += fmt::format("{} rank {} on {}", rank == 0 ? ":" : ",", rank, devices[rank]);
  if (shards > 1) return text + fmt::format("; {} shards, {} a rank", shards, shards / ranks.size());
  return text + "; no --shards, so the last bits depend on the number of ranks";
}

void silence_other_ranks(const Communicator& ranks) {
  // An output that cannot be opened stays closed, and finish_output() would say so.
  if (ranks.rank() > 0 && std::freopen("/dev/null", "w", stdout) == nullptr)
    throw Error("/dev/null: expected a file that can be written");
}

void rethrow_on_one(Communicator& ranks, const std::string& output) {
  if (!ranks.reports_error()) throw ExitCode{1};
  try {
    throw;
  } catch (const RankLost& lost) {
    throw Error(fmt::format("{}; softwarp train --resume {} goes on after the last checkpoint", lost.what(),
                            output.empty() ? "DIR" : shell_word(output)));
  } catch (const Error& error) {
    if (ranks.rank() == 0) throw;
    throw Error(fmt::format("rank {}: {}", ranks.rank(), error.what()));
  }
}

}  // namespace softwarp::program
