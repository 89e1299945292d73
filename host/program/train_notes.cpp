#include "host/program/train_notes.h"

#include <fmt/format.h>

#include "host/model/names.h"
#include "host/program/resume.h"

namespace softwarp::program {

std::vector<std::string> notes_on(const TrainingSettings& s, const Checkpoint& resumed) {
  std::vector<std::string> notes;
  const bool one_cycle = s.schedule == ScheduleKind::one_cycle;
  if (s.warmup_epochs > 0 && one_cycle)
    notes.emplace_back("one-cycle has a warm-up of its own; --warmup-epochs is not used");
  if (s.warmup_epochs >= static_cast<double>(s.epochs) && s.warmup_epochs > 0 && !one_cycle)
    notes.push_back(fmt::format("the warm-up of {} epochs does not end within the {} of the training",
                                s.warmup_epochs, s.epochs));
  if (s.label_smoothing > 0)
    notes.emplace_back("the loss in training is with label smoothing, those of validation and test without");
  const auto epochs = resumed.settings.find("--epochs");
  const bool scales = one_cycle || s.schedule == ScheduleKind::cosine;
  if (scales && epochs != resumed.settings.end() && epochs->second != fmt::format("{}", s.epochs))
    notes.push_back(fmt::format("the learning rate goes on as the {} of {} epochs has it, no longer of {}",
                                name_of(s.schedule), s.epochs, epochs->second));
  return notes;
}

std::string resuming_text(const TrainingSettings& s, const Checkpoint& resumed) {
  const std::int64_t done = std::ssize(resumed.history), since = epochs_since_best(resumed.history);
  if (done >= s.epochs)
    return fmt::format("nothing to train: all {} epochs are done; --epochs with more goes on", done);
  if (s.patience > 0 && since >= s.patience)
    return fmt::format(
        "nothing to train: stopped early after epoch {}; --patience with more than {}, or 0, goes on", done,
        since);
  return fmt::format("resuming after epoch {}", done);
}

}  // namespace softwarp::program
