#include "host/training/training.h"

#include <chrono>
#include <limits>
#include <memory>
#include <utility>

#include "host/data/split.h"
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

// The parameters of the epoch with the lowest validation loss, and how long ago that was.
class Best {
 public:
  void see(const EpochRecord& record, const Mlp& mlp) {
    ++epochs_since_;
    if (!(record.validation.loss < loss_)) return;
    loss_ = record.validation.loss;
    values_ = mlp.values();
    epochs_since_ = 0;
  }
  std::int64_t epochs_since() const { return epochs_since_; }
  void restore(Mlp& mlp) const {
    if (!values_.empty()) mlp.set_values(values_);
  }

 private:
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

}  // namespace

TrainingResult train(Backend& backend, const TrainingSettings& settings, const DataPair& data,
                     TrainingObserver& observer) {
  const Parts parts(backend, settings, data.train);
  Trainer trainer(backend, settings, shape_for(settings, data.train), *parts.train);
  std::unique_ptr<Evaluation> validation;
  if (parts.validation) validation = std::make_unique<Evaluation>(trainer.mlp(), *parts.validation);

  TrainingResult result;
  Best best;
  double trained = 0, samples = 0;
  const Stopwatch whole;
  for (std::int64_t epoch = 1; epoch <= settings.epochs && !result.stopped; ++epoch) {
    const Stopwatch watch;
    double rate = trainer.learning_rate();
    trainer.run_epoch([&] {
      observer.on_step({.epoch = epoch,
                        .epochs = settings.epochs,
                        .samples = trainer.samples(),
                        .count = parts.train->count(),
                        .epoch_seconds = watch.seconds(),
                        .seconds = whole.seconds(),
                        .score = [&] { return trainer.running_score(); }});
      if (observer.wants_stop()) result.stopped = true;
      if (trainer.samples() < parts.train->count()) rate = trainer.learning_rate();
      return !result.stopped;
    });
    EpochRecord record;
    record.epoch = epoch;
    record.steps = trainer.steps();
    record.learning_rate = rate;
    record.train = trainer.running_score();
    const double seconds = watch.seconds();
    trained += seconds;
    samples += static_cast<double>(trainer.samples());
    record.samples_per_second = static_cast<double>(trainer.samples()) / seconds;
    if (validation) {
      record.validation = validation->run();
      best.see(record, trainer.mlp());
    }
    record.seconds = whole.seconds();
    observer.on_epoch(record);
    result.history.push_back(record);
    if (settings.patience > 0 && best.epochs_since() >= settings.patience) break;
  }
  result.seconds = whole.seconds();
  result.samples_per_second = samples / trained;

  best.restore(trainer.mlp());
  const ResidentDataset test(backend, data.test);
  result.test = Evaluation(trainer.mlp(), test).run();
  result.parameters = trainer.mlp().layout().parameters;
  result.model = {.shape = trainer.mlp().shape(),
                  .input = {.data = data.train.name,
                            .height = data.train.height,
                            .width = data.train.width,
                            .max_pixel = data.train.max_pixel},
                  .values = trainer.mlp().values()};
  return result;
}

}  // namespace softwarp
