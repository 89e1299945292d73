#include <softwarp/dataset.h>
#include <softwarp/error.h>
#include <softwarp/train.h>

#include <fmt/format.h>
#include <zlib.h>

#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/communicator/communicator.h"
#include "host/data/data_directory.h"
#include "host/training/evaluation.h"
#include "host/training/history.h"
#include "host/training/trainer.h"

namespace softwarp {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

// The images to train on and, if some are held out, those to validate on, in the backend's memory.
struct Parts {
  Parts(Backend& backend, const TrainingSettings& settings, const Dataset& data) {
    if (settings.validation == 0) {
      train = std::make_unique<ResidentDataset>(backend, data);
      return;
    }
    const auto parts = split(data, settings.validation, settings.seed);
    train = std::make_unique<ResidentDataset>(backend, parts.first);
    validation = std::make_unique<ResidentDataset>(backend, parts.second);
  }

  std::unique_ptr<ResidentDataset> train;
  std::unique_ptr<ResidentDataset> validation;
};

// The epoch with the lowest validation loss: its parameters, and how long ago it was.
class Best {
 public:
  Best() = default;
  explicit Best(const Checkpoint& checkpoint) : values_(checkpoint.best) {
    for (const EpochRecord& record : checkpoint.history) see(record);
  }

  void see(const EpochRecord& record, const Mlp& mlp) {
    if (see(record)) values_ = mlp.values();
  }
  std::int64_t epochs_since() const { return epochs_since_; }
  const std::vector<float>& values() const { return values_; }

 private:
  bool see(const EpochRecord& record) {
    ++epochs_since_;
    if (record.validation.images == 0 || !(record.validation.loss < loss_)) return false;
    loss_ = record.validation.loss;
    epochs_since_ = 0;
    return true;
  }

  double loss_ = std::numeric_limits<double>::infinity();
  std::vector<float> values_;
  std::int64_t epochs_since_ = 0;
};

MlpShape shape_for(const TrainingSettings& settings, const Dataset& data) {
  return {.inputs = data.pixels(),
          .hidden = settings.hidden,
          .classes = data.classes,
          .activation = settings.activation};
}

Model model_of(const Mlp& mlp, const DataPair& pair) {
  const Dataset& data = pair.train;
  return {.shape = mlp.shape(),
          .input = {.data = lasting_name(data.name),
                    .height = data.height,
                    .width = data.width,
                    .max_pixel = data.max_pixel,
                    .class_names = data.class_names,
                    .framing = data.framing,
                    .train_checksum = data.source_checksum,
                    .test_checksum = pair.test.source_checksum},
          .values = mlp.values()};
}

Checkpoint checkpoint_of(const Trainer& trainer, const DataPair& data, const std::vector<float>& best,
                         const std::vector<EpochRecord>& history) {
  TrainerState state = trainer.state();
  Checkpoint checkpoint;
  checkpoint.model = model_of(trainer.mlp(), data);
  checkpoint.first_moment = std::move(state.first_moment);
  checkpoint.second_moment = std::move(state.second_moment);
  checkpoint.average = std::move(state.average);
  checkpoint.best = best;
  checkpoint.history = history;
  return checkpoint;
}

TrainerState state_of(const Checkpoint& checkpoint) {
  return {.epochs = std::ssize(checkpoint.history),
          .steps = checkpoint.history.back().steps,
          .values = checkpoint.model.values,
          .first_moment = checkpoint.first_moment,
          .second_moment = checkpoint.second_moment,
          .average = checkpoint.average};
}

void expect_fit(const Checkpoint& checkpoint, const Trainer& trainer, bool validates) {
  const TrainerState state = trainer.state();
  const auto expect_equal = [](bool equal, const char* what) {
    if (!equal)
      throw Error(fmt::format("expected a checkpoint with the {} of this training, found others", what));
  };
  expect_equal(checkpoint.model.shape.text() == trainer.mlp().shape().text() &&
                   checkpoint.model.shape.activation == trainer.mlp().shape().activation,
               "layers");
  expect_equal(checkpoint.first_moment.size() == state.first_moment.size() &&
                   checkpoint.second_moment.size() == state.second_moment.size(),
               "optimizer's moments");
  expect_equal(checkpoint.average.size() == state.average.size(), "moving average");
  expect_equal(checkpoint.best.empty() || validates, "best epoch's parameters");
  std::int64_t epoch = 0;
  for (const EpochRecord& record : checkpoint.history)
    expect_equal(
        record.steps == ++epoch * trainer.steps_per_epoch() && (record.validation.images > 0) == validates,
        "history");
}

// Processes whose parameters differ would go on to train different networks.
void expect_same_parameters(const Mlp& mlp, Communicator& communicator) {
  if (communicator.size() == 1) return;
  const std::vector<float> values = mlp.values();
  const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>(values.data()), values.size() * sizeof(float));
  const std::vector<std::string> sums = communicator.gather(fmt::format("{:08x}", sum));
  for (std::size_t rank = 1; rank < sums.size(); ++rank)
    if (sums[rank] != sums.front())
      throw Error(fmt::format("rank {}: expected the parameters of rank 0, of checksum {}, found {}", rank,
                              sums.front(), sums[rank]));
}

}  // namespace

TrainingResult train(Backend& backend, const TrainingSettings& settings, const DataPair& data,
                     TrainingObserver& observer, const TrainingControl& control) {
  expects(settings.epochs > 0, "at least one epoch");
  expects(data.train.class_names.empty() || std::ssize(data.train.class_names) == data.train.classes,
          "a name for each class, or none");
  Communicator& communicator = control.communicator != nullptr ? *control.communicator : single_process();
  const Parts parts(backend, settings, data.train);
  Trainer trainer(backend, settings, shape_for(settings, data.train), *parts.train, communicator);
  if (control.weights != nullptr) {
    expects(control.weights->shape == trainer.mlp().shape(), "weights of the network that is trained");
    trainer.mlp().set_values(control.weights->values);
  }
  if (control.check_every_step) trainer.set_check_interval(1);
  std::unique_ptr<Evaluation> validation;
  if (parts.validation)
    validation =
        std::make_unique<Evaluation>(trainer.model(), *parts.validation, settings.shards, communicator);

  TrainingResult result;
  Best best;
  double before = 0, trained = 0, samples = 0;
  if (control.resume != nullptr) {
    expect_fit(*control.resume, trainer, settings.validation > 0);
    trainer.restore(state_of(*control.resume));
    best = Best(*control.resume);
    result.history = control.resume->history;
    before = result.history.back().seconds;
  }
  expect_same_parameters(trainer.mlp(), communicator);
  const auto all_stop = [&] { return communicator.max(observer.should_stop() ? 1 : 0) > 0; };
  const auto out_of_patience = [&] {
    return settings.patience > 0 && best.epochs_since() >= settings.patience;
  };
  observer.on_start({.shape = trainer.mlp().shape(),
                     .parameters = trainer.mlp().layout().parameters,
                     .train_images = parts.train->count(),
                     .validation_images = parts.validation ? parts.validation->count() : 0,
                     .batch_size = trainer.batch_size(),
                     .steps_per_epoch = trainer.steps_per_epoch(),
                     .epochs_before = std::ssize(result.history),
                     .memory = backend.memory_in_use()});
  const Stopwatch whole;
  for (std::int64_t epoch = std::ssize(result.history) + 1;
       epoch <= settings.epochs && !out_of_patience() && !result.stopped; ++epoch) {
    const Stopwatch watch;
    double rate = trainer.learning_rate();
    trainer.run_epoch([&] {
      observer.on_step({.epoch = epoch,
                        .epochs = settings.epochs,
                        .samples = trainer.samples(),
                        .count = parts.train->count(),
                        .epoch_seconds = watch.seconds(),
                        .seconds = before + whole.seconds(),
                        .score = [&] { return trainer.running_score(); }});
      result.stopped = all_stop();
      if (!result.stopped && trainer.samples() < parts.train->count()) rate = trainer.learning_rate();
      return !result.stopped;
    });
    EpochRecord record;
    record.epoch = epoch;
    record.steps = trainer.steps();
    record.learning_rate = rate;
    record.train = trainer.running_score_of_all();
    expect_same_parameters(trainer.mlp(), communicator);
    const double seconds = watch.seconds();
    trained += seconds;
    samples += static_cast<double>(trainer.samples());
    record.samples_per_second = static_cast<double>(trainer.samples()) / seconds;
    if (validation) {
      record.validation = validation->run();
      best.see(record, trainer.model());
    }
    record.seconds = before + whole.seconds();
    observer.on_epoch(record);
    result.history.push_back(record);
    if (trainer.samples() < parts.train->count()) break;
    if (epoch < settings.epochs && !result.stopped) result.stopped = all_stop();
    if (communicator.rank() == 0 && control.checkpoint_every > 0 &&
        (epoch % control.checkpoint_every == 0 || epoch == settings.epochs || out_of_patience() ||
         result.stopped))
      control.save_checkpoint(checkpoint_of(trainer, data, best.values(), result.history));
  }
  result.seconds = before + whole.seconds();
  result.samples_per_second = trained > 0 ? samples / trained : result.history.back().samples_per_second;

  if (!best.values().empty()) trainer.model().set_values(best.values());
  const ResidentDataset test(backend, data.test);
  std::vector<float> probabilities;
  result.test = Evaluation(trainer.model(), test, settings.shards, communicator).run(probabilities);
  result.classification = classify(probabilities, data.test.labels, data.test.classes);
  result.parameters = trainer.mlp().layout().parameters;
  result.stopped_early = out_of_patience() && std::ssize(result.history) < settings.epochs;
  result.model_epoch = epoch_of_model(result.history);
  result.train_images = parts.train->count();
  result.validation_images = parts.validation ? parts.validation->count() : 0;
  result.model = model_of(trainer.model(), data);
  return result;
}

}  // namespace softwarp
