#include "host/program/optimizer_flags.h"

#include <fmt/format.h>

#include "host/model/names.h"
#include "host/program/options.h"

namespace softwarp::program {

void add_optimizer_flags(CLI::App& command, TrainingSettings& s) {
  const auto in = [](CLI::Option* option) { return option->capture_default_str()->group("Optimizer"); };
  in(add_choice(command, "--optimizer", s.optimizer, "How gradients move the weights"))->default_str("adamw");
  in(command.add_option("--lr", s.rate, "Highest learning rate"))->check(number_in(1e-12, 1e12));
  in(command.add_option("--momentum", s.momentum, "Of sgd"))->check(number_in(0, 0.9999));
  in(command.add_flag("--nesterov", s.nesterov, "Nesterov's momentum for sgd"));
  in(command.add_option("--weight-decay", s.weight_decay,
                        "On weights only; L2 with sgd, decoupled with adamw"))
      ->check(number_in(0, 1e6));
  in(command.add_option("--label-smoothing", s.label_smoothing,
                        "Share of the target spread over all classes"))
      ->check(number_in(0, 1));
  in(add_choice(command, "--schedule", s.schedule, "How the learning rate moves"))->default_str("one-cycle");
  in(command.add_option("--warmup-epochs", s.warmup_epochs,
                        "Linear rise at the start; one-cycle has its own"))
      ->check(number_in(0, 1e6));
  in(command.add_option("--step-epochs", s.step_epochs, "Schedule step: epochs between drops"))
      ->check(count_in(1));
  in(command.add_option("--step-factor", s.step_factor, "Schedule step: what a drop multiplies by"))
      ->check(number_in(1e-6, 1));
  in(command.add_option("--max-norm", s.max_norm, "Limit of the norm of a unit's weights; 0: none"))
      ->check(zero_or_number_in(1e-6, 1e6));
  in(command.add_option("--ema-decay", s.ema_decay,
                        "The model is the moving average of the parameters, which decays so a step; 0: none"))
      ->check(zero_or_number_in(1e-6, 0.999999));
}

std::string optimizer_text(const TrainingSettings& s) {
  std::string text =
      fmt::format("{}, {} learning rate {}", name_of(s.optimizer), name_of(s.schedule), s.rate);
  if (s.max_norm > 0) text += fmt::format(", max-norm {}", s.max_norm);
  if (s.ema_decay > 0) text += fmt::format(", moving average with decay {}", s.ema_decay);
  return text;
}

}  // namespace softwarp::program
