#include "host/program/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "host/program/output.h"
#include "host/program/terminal.h"
#include "host/program/terminal_image.h"

namespace softwarp::program {
namespace {

constexpr double kDrawEvery = 0.2;  // seconds; each drawing waits for the device once

volatile std::sig_atomic_t interrupted = 0;

void interrupt(int signal) { interrupted = signal; }

void handle_interrupts(bool ours) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) continue;  // nohup
    struct sigaction action = {};
    action.sa_handler = ours ? interrupt : SIG_DFL;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
}

std::string duration(double seconds) {
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  return fmt::format("{:.0f} min {:02.0f} s", static_cast<double>(static_cast<int>(seconds / 60)),
                     static_cast<double>(static_cast<int>(seconds) % 60));
}

void add_score(const char* of, const Score& score, std::vector<std::string>& fields) {
  fields.push_back(fmt::format("{}loss {:.4f}", of, score.loss));
  fields.push_back(fmt::format("accuracy {:.2f} %", 100 * score.accuracy));
}

// Of 1, 2, 5, 10, 20, 50, ... epochs the fewest that make no more than 20 lines.
std::int64_t lines_every(std::int64_t epochs) {
  constexpr std::int64_t kMostLines = 20;
  for (std::int64_t power = 1;; power *= 10)
    for (const std::int64_t every : {power, 2 * power, 5 * power})
      if (epochs / every <= kMostLines) return every;
}

}  // namespace

ProgressLine::ProgressLine(std::int64_t epochs, std::int64_t every)
    : epochs_(epochs),
      every_(every > 0 ? every : lines_every(epochs)),
      first_(every == 0),
      redraws_(can_redraw(STDOUT_FILENO)) {
  interrupted = 0;
  handle_interrupts(true);
}

ProgressLine::~ProgressLine() {
  clear();
  handle_interrupts(false);
}

void ProgressLine::on_step(const Progress& p) {
  if (!redraws_ || p.seconds < next_draw_) return;
  next_draw_ = p.seconds + kDrawEvery;
  const double epochs =
      static_cast<double>(p.epoch - 1) + static_cast<double>(p.samples) / static_cast<double>(p.count);
  const double done = epochs / static_cast<double>(p.epochs);
  const int columns = terminal_columns(STDOUT_FILENO) - 1;  // some terminals wrap once the last is filled
  const bool wide = columns >= 60;
  std::vector<std::string> fields{fmt::format("epoch {}/{}", p.epoch, p.epochs)};
  if (wide) {
    constexpr int kBar = 16;
    const std::string filled = bar(done, kBar);
    fields.push_back(filled + std::string(static_cast<std::size_t>(kBar - display_width(filled)), ' '));
  }
  fields.push_back(fmt::format("{:{}.0f} %", std::floor(100 * done), wide ? 3 : 1));
  fields.push_back(duration(p.seconds * (1 - done) / done) + " left");
  add_score("", p.score(), fields);
  fields.push_back(fmt::format("{:.0f} samples/s", static_cast<double>(p.samples) / p.epoch_seconds));
  say("{}{}", kClearLine, fit(fields, columns));
  std::fflush(stdout);
  drawn_ = true;
}

void ProgressLine::on_epoch(const EpochRecord& r) {
  unprinted_ = r;
  if (r.epoch % every_ == 0 || r.epoch == epochs_ || first_ || interrupted != 0) finish();
  first_ = false;
}

void ProgressLine::finish() {
  clear();
  if (unprinted_) print(*unprinted_);
  unprinted_.reset();
}

void ProgressLine::print(const EpochRecord& r) {
  std::vector<std::string> fields{fmt::format("epoch {}/{}", r.epoch, epochs_)};
  add_score("", r.train, fields);
  if (r.validation.images > 0) add_score("validation ", r.validation, fields);
  const int columns = terminal_columns(STDOUT_FILENO);
  std::string lines = wrap(fields, columns);
  const std::string speed = fmt::format("  {:.0f} samples/s", r.samples_per_second);
  if (columns == 0 || display_width(lines + speed) <= columns) lines += speed;
  say("{}\n", lines);
  std::fflush(stdout);
}

bool ProgressLine::should_stop() { return interrupted != 0; }

int ProgressLine::signal() { return interrupted; }

void ProgressLine::clear() {
  if (drawn_) say("{}", kClearLine);
  drawn_ = false;
}

}  // namespace softwarp::program
