#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace softwarp::program {

// Says what the program does once that takes longer than two seconds: on the standard error, if lines can be
// written anew there, as one that is brought up to date each second and removed when it is done.
class Announce {
 public:
  explicit Announce(std::string what = "");
  ~Announce();
  Announce(const Announce&) = delete;
  Announce& operator=(const Announce&) = delete;

  // From now on the program does this, such as "reading mnist".
  void now(std::string what);
  // From now on it says itself what it does.
  void done() { now(""); }

 private:
  using Clock = std::chrono::steady_clock;

  void watch(const std::stop_token& stop);
  void clear();

  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::string what_;
  Clock::time_point since_;
  bool drawn_ = false;
  std::jthread watcher_;
};

}  // namespace softwarp::program
