#pragma once

#include <softwarp/train.h>

#include <cstdint>
#include <optional>

namespace softwarp::program {

// Shows a training on standard output: where lines can be written anew one with the share of the whole
// training that is done, and for every `every`th epoch and the last a line that stays; with 0 for the first,
// the last and about 20 of them. Ctrl-C (SIGINT), SIGTERM and SIGHUP end the
// training after the current step; a second one of a kind ends the program. SIGHUP stays ignored where it is.
class ProgressLine : public TrainingObserver {
 public:
  ProgressLine(std::int64_t epochs, std::int64_t every);
  ~ProgressLine() override;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void on_step(const Progress& progress) override;
  void on_epoch(const EpochRecord& record) override;
  bool should_stop() override;

  // After the training: shows its last epoch, if it has no line yet.
  void finish();
  // The signal that ended the training; 0: none has come.
  [[nodiscard]] static int signal();

 private:
  void clear();
  void print(const EpochRecord& record);

  std::int64_t epochs_;
  std::int64_t every_;
  bool first_;  // of its epochs has a line, too
  bool redraws_;
  std::optional<EpochRecord> unprinted_;
  bool drawn_ = false;
  double next_draw_ = 0;  // in seconds since training began
};

}  // namespace softwarp::program
