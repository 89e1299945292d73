#include "host/program/announce.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "host/program/output.h"
#include "host/program/terminal.h"

namespace softwarp::program {

Announce::Announce(std::string what) : what_(std::move(what)), since_(Clock::now()) {
  if (can_redraw(STDERR_FILENO))
    watcher_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

Announce::~Announce() {
  watcher_ = {};  // ends and joins it
  clear();
}

void Announce::now(std::string what) {
  const std::scoped_lock lock(mutex_);
  clear();
  what_ = std::move(what);
  since_ = Clock::now();
}

void Announce::watch(const std::stop_token& stop) {
  using namespace std::chrono_literals;
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto passed = std::chrono::floor<std::chrono::seconds>(Clock::now() - since_);
    if (!what_.empty() && passed >= 2s) {
      const std::vector<std::string> fields{what_ + " ...", fmt::format("{} s", passed.count())};
      say_error("{}{}", kClearLine, fit(fields, terminal_columns(STDERR_FILENO) - 1));
      drawn_ = true;
    }
    stopped_.wait_for(lock, stop, 250ms, [] { return false; });
  }
}

void Announce::clear() {
  if (drawn_) std::fputs(kClearLine, stderr);
  drawn_ = false;
}

}  // namespace softwarp::program
