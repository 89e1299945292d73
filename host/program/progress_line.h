#pragma once

#include <softwarp/train.h>

#include <cstdint>

namespace softwarp::program {

// Shows a training on standard output: on a terminal one line that is rewritten several times a second, and
// for every `every`th epoch and the last a line that stays. Ctrl-C ends the training after the current step;
// a second one ends the program.
class ProgressLine : public TrainingObserver {
 public:
  ProgressLine(std::int64_t epochs, std::int64_t every);
  ~ProgressLine() override;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void on_step(const Progress& progress) override;
  void on_epoch(const EpochRecord& record) override;
  bool should_stop() override;

 private:
  void clear();

  std::int64_t epochs_;
  std::int64_t every_;
  bool terminal_;
  bool drawn_ = false;
  double next_draw_ = 0;  // in seconds since training began
};

}  // namespace softwarp::program
