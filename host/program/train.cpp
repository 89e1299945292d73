#include <fmt/chrono.h>
#include <fmt/format.h>
#include <softwarp/dataset.h>
#include <softwarp/error.h>
#include <softwarp/train.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>

#include "host/data/data_directory.h"
#include "host/io/file.h"
#include "host/program/announce.h"
#include "host/program/augment_flags.h"
#include "host/program/class_names.h"
#include "host/program/commands.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/progress_line.h"
#include "host/program/resume.h"
#include "host/program/runs.h"
#include "host/program/train_notes.h"
#include "host/program/trained_model.h"
#include "host/program/weights.h"
#include "host/report/deformed_sample.h"
#include "host/report/report.h"
#include "host/report/scalar_log.h"
#include "host/training/run_directory.h"

namespace softwarp::program {
namespace {

struct TrainOptions {
  std::string data = "mnist";
  std::int64_t images = 0;
  std::int64_t max_pixel = 0;
  std::string class_names;
  WeightsOptions weights;
  std::string output;
  bool overwrite = false;
  std::string resume;
  std::int64_t checkpoint_every = 1;
  std::int64_t report_every = 0;  // up to 20 lines
  bool check_finite = false;
  bool tensorboard = false;
  DeviceOptions device;
  TrainingSettings settings;
};

void add_network_flags(CLI::App& command, TrainOptions& o) {
  TrainingSettings& s = o.settings;
  const auto in = [](CLI::Option* option) { return option->capture_default_str()->group("Network"); };
  in(add_list(command, "--hidden", s.hidden, count_in(0, 1 << 20),
              "Widths of the hidden layers, as in 512,256; 0: no hidden layer"))
      ->default_str("512,256");
  in(add_choice(command, "--activation", s.activation, "After each hidden layer"))->default_str("relu");
  in(add_choice(command, "--init", s.initialization,
                "Initial weights: kaiming, or uniform in +-sqrt(1/inputs)"))
      ->default_str("kaiming");
  o.weights.add_to(command);
  in(command.add_option("--dropout", s.dropout.hidden, "Chance that a hidden value is dropped"))
      ->check(number_in(0, 0.99));
  in(command.add_option("--input-dropout", s.dropout.input, "Chance that a pixel is dropped"))
      ->check(number_in(0, 0.99));
}

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
      ->check(number_in(0, 1e6));
  in(command.add_option("--ema-decay", s.ema_decay,
                        "Keep the moving average of the parameters, decayed so at each step; 0: the last"))
      ->check(number_in(0, 0.999999));
}

void add_training_flags(CLI::App& command, TrainOptions& o) {
  TrainingSettings& s = o.settings;
  const auto in = [](CLI::Option* option) { return option->capture_default_str()->group("Training"); };
  in(command.add_option("--data", o.data,
                        "mnist, fashion-mnist, digits, or a directory with the four IDX files"))
      ->type_name(kDataType);
  in(command.add_option("--images", o.images, "Train on the first so many images; 0: all"))
      ->check(count_in(0));
  in(add_max_pixel(command, o.max_pixel));
  in(add_class_names(command, o.class_names));
  in(command.add_option("--epochs", s.epochs, "Passes over the training images"))->check(count_in(1));
  in(command.add_option("--batch-size", s.batch_size, "Images a step; 0: all")->check(count_in(0)));
  in(command.add_option("--seed", s.seed, "Of initial weights, order, dropout and validation split"));
  in(command.add_option("--validation", s.validation, "Share of the training images to hold out"))
      ->check(number_in(0, 0.99));
  in(command.add_option("--patience", s.patience,
                        "Stop after so many epochs of no better validation loss; 0: never"))
      ->check(count_in(0));
  in(command.add_option("--output", o.output,
                        "Directory for model.safetensors, metrics.csv, summary.json and report.html"))
      ->type_name(kDirectoryType)
      ->default_str("the next free of softwarp-run, softwarp-run-2, ...");
  command
      .add_flag("--overwrite", o.overwrite,
                "Replace the earlier training in the output directory, by default softwarp-run")
      ->group("Training");
  in(command.add_option("--checkpoint-every", o.checkpoint_every,
                        "Write last.safetensors every so many epochs; 0: never"))
      ->check(count_in(0));
  command
      .add_option("--resume", o.resume,
                  "Go on with the training that left last.safetensors in this directory, or with that file")
      ->type_name(kDirectoryType)
      ->group("Training");
  command
      .add_flag("--check-finite", o.check_finite, "Look for NaN and infinity after each step, not each 100")
      ->group("Training");
  command
      .add_flag("--tensorboard", o.tensorboard,
                "Write event files for TensorBoard to the output directory; with --resume, give it again")
      ->group("Training");
  in(command.add_option("--report-every", o.report_every, "Print a line every so many epochs"))
      ->check(count_in(1))
      ->default_str("up to 20 lines in all");
}

void check_together(TrainingSettings& s) {
  settle_hidden(s.hidden);
  if (s.nesterov && s.momentum == 0)
    throw CLI::ValidationError("--nesterov", "expected --momentum above 0, found 0");
  if (s.patience > 0 && s.validation == 0)
    throw CLI::ValidationError("--patience", "expected --validation above 0, found 0");
  if (s.optimizer == OptimizerKind::adamw && s.momentum != 0)
    throw CLI::ValidationError("--momentum", "expected --optimizer sgd, found adamw, which has its own");
}

// Progress, below a table that says what is trained; and a log, if there is one.
class Display final : public ProgressLine {
 public:
  // `begin` is called before the first step. `resumed` has no history if the training starts anew.
  Display(const TrainOptions& options, const DataPair& data, const Backend& backend,
          const Checkpoint& resumed, ScalarLog* log, Announce& announce, std::function<void()> begin)
      : ProgressLine(options.settings.epochs, options.report_every),
        options_(options),
        data_(data),
        backend_(backend),
        resumed_(resumed),
        log_(log),
        announce_(announce),
        begin_(std::move(begin)) {}

  void on_start(const TrainingStart& start) override {
    announce_.done();
    begin_();
    const TrainingSettings& s = options_.settings;
    const Dataset& train = data_.train;
    const auto row = [](const char* name, const std::string& text) { say("{:<10} {}\n", name, text); };
    row("device", options_.device.text_of(backend_));
    std::string held_out;
    if (start.validation_images > 0) held_out = fmt::format(", {} for validation", start.validation_images);
    row("data", fmt::format("{}: {} images to train on{}, {} to test, {}x{}, {} classes", train.name,
                            start.train_images, held_out, data_.test.count, train.height, train.width,
                            train.classes));
    row("network", fmt::format("{}, {}{}", start.shape.text(), name_of(s.activation), dropout_text(s)));
    row("parameters", fmt::format("{}", start.parameters));
    if (!options_.weights.file.empty()) row("weights", options_.weights.file);
    row("batch", fmt::format("{} images, {} steps an epoch; epochs: {}", start.batch_size,
                             start.steps_per_epoch, s.epochs));
    row("optimizer",
        fmt::format("{}, {} learning rate {}", name_of(s.optimizer), name_of(s.schedule), s.rate));
    const CudaPrecision precision = options_.device.precision_of(backend_);
    row("precision", fmt::format("{}{}", name_of(precision),
                                 precision == CudaPrecision::fp32 ? "" : " products; all else fp32"));
    row("memory", fmt::format("{:.1f} MB on the device", static_cast<double>(start.memory) / 1e6));
    row("output", options_.output);
    for (const std::string& note : notes_on(s, resumed_)) row("note", note);
    if (start.epochs_before > 0) say("{}\n", resuming_text(s, resumed_));
    std::fflush(stdout);
    validates_ = start.validation_images > 0;
    announce_.now("the first step");
  }

  void on_step(const Progress& progress) override {
    announce_.done();
    ProgressLine::on_step(progress);
    if (validates_ && progress.samples >= progress.count) announce_.now("measuring on the validation images");
  }

  void on_epoch(const EpochRecord& record) override {
    announce_.done();
    ProgressLine::on_epoch(record);
    if (log_ != nullptr) log_->write(record);
    announce_.now("measuring on the test images");  // unless another step comes first
  }

 private:
  static std::string dropout_text(const TrainingSettings& s) {
    if (s.dropout.input == 0 && s.dropout.hidden == 0) return "";
    return fmt::format(", dropout {} of pixels, {} of hidden values", s.dropout.input, s.dropout.hidden);
  }

  const TrainOptions& options_;
  const DataPair& data_;
  const Backend& backend_;
  const Checkpoint& resumed_;
  ScalarLog* log_;
  Announce& announce_;
  bool validates_ = false;
  std::function<void()> begin_;
};

// All that a training's result depends on, as flags.
std::map<std::string, std::string> flags_of(const TrainOptions& o) {
  std::map<std::string, std::string> flags = to_flags(o.settings);
  flags["--data"] = lasting_name(o.data);
  flags["--images"] = fmt::format("{}", o.images);
  return flags;
}

// A training that is resumed takes the pixels as it did before.
DataPair load(const TrainOptions& o, const Checkpoint& resumed, Announce& announce) {
  const int before = resumed.history.empty() ? 0 : resumed.model.input.max_pixel;
  if (before > 0 && o.max_pixel > 0 && o.max_pixel != before)
    throw Error(fmt::format("--max-pixel: expected {}, with which {} began, found {}", before, o.resume,
                            o.max_pixel));
  const auto recorded = resumed.settings.find("--data");
  const bool moved = recorded != resumed.settings.end() && recorded->second != lasting_name(o.data);
  if (before > 0 && !moved) expect_data_there(o.resume, o.data);
  DataPair data = load_data(o.data, before > 0 && !moved ? before : static_cast<int>(o.max_pixel));
  announce.done();
  for (Dataset* part : {&data.train, &data.test})
    if (before > 0) part->max_pixel = before, part->max_pixel_guessed = false;
  say_shadowed(o.data);
  say_guess(data.train);
  if (o.images > data.train.count)
    throw Error(fmt::format("--images: expected at most the {} training images of {}, found {}",
                            data.train.count, o.data, o.images));
  if (!o.class_names.empty())
    data.train.class_names = read_class_names(o.class_names, data.train.classes);
  else if (data.train.class_names.empty())
    data.train.class_names = resumed.model.input.class_names;
  if (o.images > 0) data.train = head(data.train, o.images);
  return data;
}

bool same_directory(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code error;
  return a.lexically_normal() == b.lexically_normal() || std::filesystem::equivalent(a, b, error);
}

// The directory of the checkpoint that is resumed, if it has a run's name for it.
std::optional<std::filesystem::path> resumed_directory(const TrainOptions& o) {
  if (o.resume.empty()) return std::nullopt;
  const std::filesystem::path path = checkpoint_path(o.resume);
  if (path.filename() != "last.safetensors") return std::nullopt;
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Chooses the output directory if the flags do not. Throws Error if an earlier training would be lost. True
// if an earlier training is to be replaced.
bool settle_output(TrainOptions& o, bool chosen) {
  const auto resumed = resumed_directory(o);
  if (!chosen && resumed)
    o.output = resumed->string();
  else if (!chosen)
    o.output = o.overwrite ? "softwarp-run" : next_free_run();
  if (resumed && same_directory(o.output, *resumed)) return false;
  const auto files = files_of_run(o.output);
  if (!files.empty() && !o.overwrite)
    throw Error(
        fmt::format("{}: expected a directory without an earlier training, found {} (--overwrite "
                    "replaces it)",
                    o.output, files.front().filename().string()));
  return !files.empty();
}

// The last line of a training that a signal ended: the command that goes on. `saved` is the epoch of the
// checkpoint that it has written, 0 if none.
std::string going_on_text(const TrainOptions& o, std::int64_t saved, const Checkpoint& resumed) {
  if (saved > 0)
    return fmt::format("softwarp train --resume {} goes on after epoch {}", shell_word(o.output), saved);
  if (resumed.history.empty())
    return "there is no checkpoint yet to go on from; the same command with --overwrite starts anew";
  std::string command = fmt::format("softwarp train --resume {}", shell_word(o.resume));
  const auto flags = to_flags(o.settings);
  for (const char* flag : {"--epochs", "--patience"})
    if (flags.at(flag) != resumed.settings.at(flag)) command += fmt::format(" {} {}", flag, flags.at(flag));
  const auto directory = resumed_directory(o);
  if (!directory || !same_directory(*directory, o.output))
    command += fmt::format(" --output {} --overwrite", shell_word(o.output));
  return fmt::format("{} goes on after epoch {}", command, resumed.history.size());
}

void print_outcome(const TrainingResult& result, const RunDirectory& directory) {
  if (result.stopped) say("stopped in epoch {}\n", result.history.size());
  if (result.stopped_early)
    say("stopped early after epoch {}: the validation loss did not improve for {} epochs\n",
        result.history.size(), epochs_since_best(result.history));
  if (result.validation_images > 0)
    say("the model is that of epoch {}, which has the lowest validation loss\n", result.model_epoch);
  say("test accuracy {:.2f} %, loss {:.4f}; trained in {:.1f} s, {:.0f} samples/s\n",
      100 * result.test.accuracy, result.test.loss, result.seconds, result.samples_per_second);
  say("wrote {}, {}, {} and {}\n", directory.model().string(), directory.metrics().string(),
      directory.summary().string(), directory.report().string());
}

void run(CLI::App& command, TrainOptions& o) {
  // A training that is resumed has chosen, unless it is to be refused another choice.
  if (o.resume.empty() || command.count("--augment") > 0) settle_augment(command, o.settings.augmentation);
  const bool epochs_chosen = command.get_option("--epochs")->count() > 0;
  Checkpoint resumed;
  if (!o.resume.empty()) {
    resumed = apply_checkpoint(command, checkpoint_path(o.resume), flags_of(o));
    expect_epochs_left(o.settings, epochs_chosen, resumed, o.resume);
  }
  settle_augment(command, o.settings.augmentation);  // as resumed
  const std::optional<Model> weights = read_weights(command, o.weights, o.settings);
  const auto flags = flags_of(o);  // before "no hidden layer" becomes an empty list
  check_together(o.settings);
  const bool replaces = settle_output(o, command.get_option("--output")->count() > 0);
  Announce announce(fmt::format("reading {}", o.data));
  const DataPair data = load(o, resumed, announce);
  if (weights) expect_fit(o.weights, *weights, data.train);
  const std::uint32_t data_checksum = checksum(data.train);
  if (!o.resume.empty() && data_checksum != resumed.data_checksum)
    throw Error(
        fmt::format("{}: expected the training images that {} began with, found others", o.data, o.resume));
  announce.now("preparing the device and the network");
  const std::unique_ptr<Backend> backend = o.device.make_backend();
  const RunDirectory directory(o.output);

  std::int64_t saved = 0;
  TrainingControl control;
  control.checkpoint_every = o.checkpoint_every;
  control.check_every_step = o.check_finite;
  control.weights = weights ? &*weights : nullptr;
  control.resume = o.resume.empty() ? nullptr : &resumed;
  control.save_checkpoint = [&](Checkpoint checkpoint) {
    checkpoint.settings = flags;
    checkpoint.data_checksum = data_checksum;
    directory.save(checkpoint);
    saved = std::ssize(checkpoint.history);
  };
  std::optional<ScalarLog> log;
  if (o.tensorboard) log.emplace(o.output, resumed.history);
  Display display(o, data, *backend, resumed, log ? &*log : nullptr, announce, [&] {
    if (replaces) directory.discard_earlier_run();
  });
  const TrainingResult result = train(*backend, o.settings, data, display, control);
  announce.done();
  display.finish();
  announce.now("writing the model and the report");
  if (log) log->finish(result);
  directory.write(result, o.settings, backend->name());
  write_file(directory.report(),
             report_html(result, o.settings, data,
                         {.device = backend->name(),
                          .date = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)))},
                         deformed_sample(*backend, o.settings, data.train)));
  announce.done();
  print_outcome(result, directory);
  if (log) say("wrote {}\n", log->path().string());
  if (!result.stopped) return;
  say("{}\n", going_on_text(o, saved, resumed));
  throw ExitCode{128 + ProgressLine::signal()};
}

}  // namespace

void add_train(CLI::App& app) {
  const auto options = std::make_shared<TrainOptions>();
  CLI::App* command = app.add_subcommand("train", "Train a network and write it to a directory");
  command->fallthrough();
  command->footer(
      "--config FILE reads these flags from a TOML file's section [train]; flags given here win.");
  add_training_flags(*command, *options);
  add_network_flags(*command, *options);
  add_augment_flags(*command, options->settings.augmentation);
  add_optimizer_flags(*command, options->settings);
  options->device.add_to(*command);
  tidy_help(*command);
  command->callback([command, options] { run(*command, *options); });
}

}  // namespace softwarp::program
