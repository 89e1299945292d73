// Each flag of a training reaches its setting, and comes back from a checkpoint.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "host/training/settings.h"
#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

// None of an optimizer's and no other setting is the default.
TrainingSettings other_settings(OptimizerKind optimizer) {
  TrainingSettings s;
  s.hidden = {7, 6};
  s.activation = Activation::tanh;
  s.initialization = Initialization::uniform;
  s.dropout = {.input = 0.25f, .hidden = 0.125f};
  s.label_smoothing = 0.0625f;
  s.augmentation = {.degrees = {-5, 10},
                    .shear = {-3, 4},
                    .scale = {0.9f, 1.2f},
                    .translate = {-1, 2},
                    .flip = 0.25f,
                    .alpha = 20,
                    .sigma = 4,
                    .half = 0b10000010};
  s.optimizer = optimizer;
  s.rate = 0.02;
  if (optimizer == OptimizerKind::sgd) s.momentum = 0.75, s.nesterov = true;
  s.weight_decay = 0.03125;
  s.schedule = ScheduleKind::step;
  s.warmup_epochs = 0.5;
  s.step_epochs = 1;
  s.step_factor = 0.375;
  s.max_norm = 1.5;
  s.ema_decay = 0.625;
  s.epochs = 5;
  s.batch_size = 10;
  s.shards = 2;
  s.seed = (std::uint64_t{1} << 40) + 3;
  s.validation = 0.25;
  s.patience = 6;
  return s;
}

std::vector<std::string> arguments_of(const TrainingSettings& settings) {
  std::vector<std::string> arguments{"train",         "--device=cpu", "--threads=1",
                                     "--data=digits", "--images=60",  "--output=run"};
  for (const auto& [flag, text] : to_flags(settings)) arguments.push_back(flag + "=" + text);
  return arguments;
}

std::vector<float> trained_here(const TrainingSettings& settings) {
  DataPair data = load_data("digits");
  data.train = head(data.train, 60);
  TrainingObserver silent;
  return train(*make_cpu_backend(1), settings, data, silent).model.values;
}

void expect_outcome(const std::filesystem::path& run, const TrainingSettings& settings) {
  std::ifstream file(run / "summary.json");
  EXPECT_EQ(nlohmann::ordered_json::parse(file)["settings"].dump(), to_json(settings).dump());
  EXPECT_EQ(read_model(run / "model.safetensors").values, trained_here(settings));
}

TEST(TrainFlags, EachReachItsSettingAndComeBackFromACheckpoint) {
  for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw}) {
    TrainingSettings settings = other_settings(optimizer);
    for (const auto& [flag, text] : to_flags({})) {
      const bool of_sgd = flag == "--momentum" || flag == "--nesterov" || flag == "--optimizer";
      EXPECT_EQ(to_flags(settings).at(flag) == text, of_sgd && optimizer == OptimizerKind::adamw) << flag;
    }
    const TemporaryDirectory directory;
    const ProgramRun run = run_program(arguments_of(settings), directory.path());
    ASSERT_EQ(run.exit_code, 0) << run.err;
    expect_outcome(directory.path() / "run", settings);

    settings.epochs = 6;
    const ProgramRun rest =
        run_program({"train", "--device=cpu", "--threads=1", "--resume=run", "--epochs=6"}, directory.path());
    ASSERT_EQ(rest.exit_code, 0) << rest.err;
    expect_outcome(directory.path() / "run", settings);
  }
}

}  // namespace
}  // namespace softwarp
