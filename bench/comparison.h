#pragma once

// Contenders that take turns within every iteration, so that what disturbs the machine disturbs all of them.
// Figures are medians; a ratio is the median of quotients of runs that followed one another.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace softwarp {

// The value below which a share of the values lies.
inline double quantile(std::vector<double> values, double share) {
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}
inline double median(const std::vector<double>& values) { return quantile(values, 0.5); }
// The middle half's width, relative to the median.
inline double spread(const std::vector<double>& values) {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

// The median of a[i] / b[i].
inline double median_ratio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return median(ratios);
}

// On a GPU, of which the clock is even and each time is that of several runs: so many rounds, and the inputs
// made once for all of them. Google Benchmark would make them again for each guess at a number of rounds.
inline constexpr int kCudaRounds = 9;

struct Baseline {
  std::string name;
  std::function<double()> seconds;  // of one run
  double bytes = 0;                 // that one run must move; 0: not what counts
};

// Runs all of them in each iteration, and reports <name>_us, <name>_GBps, vs_<name> = the first one's time
// divided by the other's, and the spread of the first one's times.
class Comparison {
 public:
  void add(Baseline contender) { entries_.push_back({std::move(contender), {}}); }

  void run(benchmark::State& state) {
    for (auto _ : state) {
      for (Entry& entry : entries_) entry.seconds.push_back(entry.contender.seconds());
      state.SetIterationTime(entries_.front().seconds.back());
    }
    const Entry& ours = entries_.front();
    state.counters["spread"] = spread(ours.seconds);
    for (const Entry& entry : entries_) {
      const double seconds = median(entry.seconds);
      const std::string& name = entry.contender.name;
      state.counters[name + "_us"] = 1e6 * seconds;
      if (entry.contender.bytes > 0) state.counters[name + "_GBps"] = 1e-9 * entry.contender.bytes / seconds;
      if (&entry != &ours) state.counters["vs_" + name] = median_ratio(ours.seconds, entry.seconds);
    }
  }

 private:
  struct Entry {
    Baseline contender;
    std::vector<double> seconds;
  };
  std::vector<Entry> entries_;
};

}  // namespace softwarp
