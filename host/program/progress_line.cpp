#include "host/program/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "host/program/output.h"

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

}  // namespace

ProgressLine::ProgressLine(std::int64_t epochs, std::int64_t every)
    : epochs_(epochs), every_(every), terminal_(isatty(STDOUT_FILENO) != 0) {
  interrupted = 0;
  handle_interrupts(true);
}

ProgressLine::~ProgressLine() {
  clear();
  handle_interrupts(false);
}

void ProgressLine::on_step(const Progress& p) {
  if (!terminal_ || p.seconds < next_draw_) return;
  next_draw_ = p.seconds + kDrawEvery;
  const Score score = p.score();
  const double share = static_cast<double>(p.samples) / static_cast<double>(p.count);
  const double done = static_cast<double>(p.epoch - 1) + share;
  const double left = p.seconds * (static_cast<double>(p.epochs) - done) / done;
  say("\r\x1b[Kepoch {}/{} {:3.0f} %  loss {:.4f}  accuracy {:.2f} %  {:.0f} samples/s  {} left", p.epoch,
      p.epochs, 100 * share, score.loss, 100 * score.accuracy,
      static_cast<double>(p.samples) / p.epoch_seconds, duration(left));
  std::fflush(stdout);
  drawn_ = true;
}

void ProgressLine::on_epoch(const EpochRecord& r) {
  unprinted_ = r;
  if (r.epoch % every_ == 0 || r.epoch == epochs_ || interrupted != 0) finish();
}

void ProgressLine::finish() {
  clear();
  if (unprinted_) print(*unprinted_);
  unprinted_.reset();
}

void ProgressLine::print(const EpochRecord& r) {
  say("epoch {}/{}  loss {:.4f}  accuracy {:.2f} %", r.epoch, epochs_, r.train.loss, 100 * r.train.accuracy);
  if (r.validation.images > 0)
    say("  validation loss {:.4f}  accuracy {:.2f} %", r.validation.loss, 100 * r.validation.accuracy);
  say("  {:.0f} samples/s\n", r.samples_per_second);
  std::fflush(stdout);
}

bool ProgressLine::should_stop() { return interrupted != 0; }

int ProgressLine::signal() { return interrupted; }

void ProgressLine::clear() {
  if (drawn_) say("\r\x1b[K");
  drawn_ = false;
}

}  // namespace softwarp::program
