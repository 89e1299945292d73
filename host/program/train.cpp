#include <fmt/chrono.h>
#include <fmt/format.h>
#include <softwarp/dataset.h>
#include <softwarp/error.h>
#include <softwarp/train.h>

#include <chrono>
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
#include "host/program/optimizer_flags.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/progress_line.h"
#include "host/program/ranks.h"
#include "host/program/resume.h"
#include "host/program/run_output.h"
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
  double timeout = 30;
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
  // `begin` is called before the first step. `resumed` has no history if the training starts anew. `ranks` is
  // empty if there are no several of them, nor shards.
  Display(const TrainOptions& options, const DataPair& data, const Backend& backend, std::string ranks,
          const Checkpoint& resumed, ScalarLog* log, Announce& announce, std::function<void()> begin)
      : ProgressLine(options.settings.epochs, options.report_every),
        options_(options),
        data_(data),
        backend_(backend),
        ranks_(std::move(ranks)),
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
    if (!ranks_.empty()) row("ranks", ranks_);
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
    row("optimizer", optimizer_text(s));
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
  std::string ranks_;
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

// A training that is resumed takes the pixels as it did before. `says`: notes on the data.
DataPair load(const TrainOptions& o, const Checkpoint& resumed, Announce& announce, bool says) {
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
  if (says) say_shadowed(o.data);
  if (says) say_guess(data.train);
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

// All that has to be the same on every rank. Data are known by their content.
std::map<std::string, std::string> identity_of(const TrainOptions& o, const DataPair& data,
                                               const Checkpoint& resumed, const Backend& backend) {
  std::map<std::string, std::string> all = flags_of(o);
  all.erase("--data");
  all["--check-finite"] = o.check_finite ? "true" : "false";
  all["training images of checksum"] = fmt::format("{:08x}", checksum(data.train));
  all["test images of checksum"] = fmt::format("{:08x}", checksum(data.test));
  all["a checkpoint after epoch"] = fmt::format("{}", resumed.history.size());
  all["softwarp"] = SOFTWARP_VERSION;
  all["a device such as"] = kind_of(backend, o.settings);
  return all;
}

// Throws ExitCode if a signal has ended the training.
void run(CLI::App& command, TrainOptions& o, Communicator& ranks) {
  const bool first = ranks.rank() == 0;
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
  check_shards(o.settings, ranks);
  const bool replaces =
      first && settle_output(o.output, command.get_option("--output")->count() > 0, o.overwrite, o.resume);
  Announce announce(fmt::format("reading {}", o.data));
  const DataPair data = load(o, resumed, announce, first);
  if (weights) expect_fit(o.weights, *weights, data.train);
  const std::uint32_t data_checksum = checksum(data.train);
  if (!o.resume.empty() && data_checksum != resumed.data_checksum)
    throw Error(
        fmt::format("{}: expected the training images that {} began with, found others", o.data, o.resume));
  announce.now("preparing the device and the network");
  o.device.cuda.device = device_of_rank(ranks);
  const std::unique_ptr<Backend> backend = o.device.make_backend();
  std::optional<RunDirectory> directory;
  if (first) directory.emplace(o.output);
  expect_same_on_all(ranks, identity_of(o, data, resumed, *backend));
  const std::unique_ptr<Communicator> on_device = make_device_communicator(*backend, ranks);
  Communicator& communicator = on_device ? *on_device : ranks;

  std::int64_t saved = 0;
  TrainingControl control;
  control.checkpoint_every = o.checkpoint_every;
  control.check_every_step = o.check_finite;
  control.weights = weights ? &*weights : nullptr;
  control.communicator = &communicator;
  control.resume = o.resume.empty() ? nullptr : &resumed;
  control.save_checkpoint = [&](Checkpoint checkpoint) {
    checkpoint.settings = flags;
    checkpoint.data_checksum = data_checksum;
    directory->save(checkpoint);
    saved = std::ssize(checkpoint.history);
  };
  std::optional<ScalarLog> log;
  if (first && o.tensorboard) log.emplace(o.output, resumed.history);
  Display display(o, data, *backend, ranks_text(ranks, *backend, o.settings.shards), resumed,
                  log ? &*log : nullptr, announce, [&] {
                    if (replaces) directory->discard_earlier_run();
                  });
  const TrainingResult result = train(*backend, o.settings, data, display, control);
  announce.done();
  display.finish();
  const int signal = ranks.max(ProgressLine::signal());
  if (first) {
    announce.now("writing the model and the report");
    if (log) log->finish(result);
    directory->write(result, o.settings, backend->name());
    write_file(directory->report(),
               report_html(result, o.settings, data,
                           {.device = backend->name(),
                            .date = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)))},
                           deformed_sample(*backend, o.settings, data.train)));
    announce.done();
    print_outcome(result, *directory);
    if (log) say("wrote {}\n", log->path().string());
    if (result.stopped) say("{}\n", going_on_text(o.output, o.resume, o.settings, saved, resumed));
  }
  communicator.finish();
  if (result.stopped) throw ExitCode{128 + signal};
}

void run(CLI::App& command, TrainOptions& o) {
  const std::unique_ptr<Communicator> ranks = make_communicator(std::chrono::duration<double>(o.timeout));
  silence_other_ranks(*ranks);
  try {
    run(command, o, *ranks);
  } catch (const std::exception&) {
    rethrow_on_one(*ranks, o.output);
  }
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
  add_rank_flags(*command, options->settings.shards, options->timeout);
  tidy_help(*command);
  command->callback([command, options] { run(*command, *options); });
}

}  // namespace softwarp::program
