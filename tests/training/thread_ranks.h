#pragma once

#include <barrier>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "host/communicator/communicator.h"
#include "host/communicator/tree.h"

namespace softwarp {

// Ranks that are threads of this process.
class ThreadRanks {
 public:
  explicit ThreadRanks(int size) : barrier_(size), bytes_(static_cast<std::size_t>(size)) {}

  // Runs `work` on every rank, and waits for all of them.
  void run(const std::function<void(Communicator&)>& work) {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size(); ++rank)
      threads.emplace_back([this, rank, &work] {
        Rank communicator(*this, rank);
        work(communicator);
      });
  }
  int size() const { return static_cast<int>(bytes_.size()); }

 private:
  class Rank final : public Communicator {
   public:
    Rank(ThreadRanks& ranks, int rank) : ranks_(&ranks), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return ranks_->size(); }
    void sum_tree(float* values, std::int64_t count) override {
      softwarp::sum_tree(rank_, size(), {values, static_cast<std::size_t>(count)},
                         [this](int partner, std::span<const float> mine, std::span<float> theirs) {
                           const std::vector<std::string> all = gather(text(mine.data(), mine.size_bytes()));
                           all[static_cast<std::size_t>(partner)].copy(reinterpret_cast<char*>(theirs.data()),
                                                                       theirs.size_bytes());
                         });
    }
    void start_sum(float* values, std::int64_t count) override {
      const auto size = static_cast<std::size_t>(count);
      std::vector<float> total(size), part(size);
      for (const std::string& of_rank : gather(text(values, size * sizeof(float)))) {
        of_rank.copy(reinterpret_cast<char*>(part.data()), size * sizeof(float));
        for (std::size_t i = 0; i < size; ++i) total[i] += part[i];
      }
      sums_.emplace_back(values, std::move(total));
    }
    // The sums are of what the values were when each began, and are written when all end.
    void finish_sums() override {
      for (const auto& [values, total] : sums_) std::copy(total.begin(), total.end(), values);
      sums_.clear();
    }
    void wait_until(const std::function<bool()>& done) override {
      while (!done()) std::this_thread::yield();
    }
    std::vector<std::string> gather(std::string_view bytes) override {
      ranks_->bytes_[static_cast<std::size_t>(rank_)] = bytes;
      ranks_->barrier_.arrive_and_wait();
      std::vector<std::string> all = ranks_->bytes_;
      ranks_->barrier_.arrive_and_wait();
      return all;
    }
    int max(int value) override {
      int most = value;
      for (const std::string& text : gather(std::to_string(value))) most = std::max(most, std::stoi(text));
      return most;
    }
    bool reports_error() override { return rank_ == 0; }
    void finish() override {}

   private:
    static std::string_view text(const float* values, std::size_t bytes) {
      return {reinterpret_cast<const char*>(values), bytes};
    }
    ThreadRanks* ranks_;
    int rank_;
    std::vector<std::pair<float*, std::vector<float>>> sums_;
  };

  std::barrier<> barrier_;
  std::vector<std::string> bytes_;  // of each rank
};

}  // namespace softwarp
