#pragma once

/// @file
/// Training and evaluation of multilayer perceptrons.

#include <softwarp/augment.h>
#include <softwarp/backend.h>
#include <softwarp/dataset.h>
#include <softwarp/error.h>
#include <softwarp/mlp.h>
#include <softwarp/optimizer.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace softwarp {

/// The optimizers, whose options are in <softwarp/optimizer.h>.
enum class OptimizerKind {
  sgd,   ///< stochastic gradient descent, with or without momentum
  adamw  ///< AdamW
};

/// Probabilities to drop a value in training.
struct DropoutRates {
  float input = 0;   ///< of the network's inputs; in [0, 1)
  float hidden = 0;  ///< of each hidden layer's outputs; in [0, 1)
};

/// Everything that determines a training run's result, given its data and its device. The defaults reach 98.6
/// % on MNIST.
struct TrainingSettings {
  std::vector<std::int64_t> hidden = {512, 256};            ///< widths of the hidden layers
  Activation activation = Activation::relu;                 ///< of the hidden layers
  Initialization initialization = Initialization::kaiming;  ///< of the first parameters
  DropoutRates dropout = {.input = 0.1f, .hidden = 0.2f};   ///< probabilities
  float label_smoothing = 0;                                ///< in [0, 1]
  Augmentation augmentation;                                ///< of the training images; by default none

  OptimizerKind optimizer = OptimizerKind::adamw;   ///< the update rule
  double rate = 3e-3;                               ///< the highest learning rate
  double momentum = 0;                              ///< sgd: in [0, 1)
  bool nesterov = false;                            ///< sgd: Nesterov's momentum
  double weight_decay = 0;                          ///< sgd: L2; adamw: decoupled
  ScheduleKind schedule = ScheduleKind::one_cycle;  ///< of the learning rate
  double warmup_epochs = 0;       ///< linear warm-up, where the schedule has none of its own
  std::int64_t step_epochs = 10;  ///< schedule step: multiply the rate by step_factor every so many epochs
  double step_factor = 0.1;       ///< schedule step: the factor
  double max_norm = 0;   ///< limit of the norm of each unit's incoming weights, biases left out; 0: none
  double ema_decay = 0;  ///< in [0, 1): decay a step of the moving average that becomes the model; 0: the
                         ///< model is what the last step left

  std::int64_t epochs = 12;       ///< passes over the training images
  std::int64_t batch_size = 256;  ///< 0: all images in one batch
  /// Parts that each batch is computed in, a power of two that divides batch_size. The parts' gradients are
  /// added as one binary tree, so that the result does not depend on the number of processes.
  std::int64_t shards = 1;
  std::uint64_t seed = 1;     ///< of all random numbers
  double validation = 0;      ///< the share of the training images held out
  std::int64_t patience = 0;  ///< stop after so many epochs without a better validation loss; 0: never
};

/// Means over images; NaN if there is no image.
struct Score {
  double loss = 0;          ///< cross-entropy, natural logarithm
  double accuracy = 0;      ///< share whose likeliest class is the label
  std::int64_t images = 0;  ///< images counted
};

/// The record of an epoch.
struct EpochRecord {
  std::int64_t epoch = 0;         ///< from 1
  std::int64_t steps = 0;         ///< since training began
  double learning_rate = 0;       ///< the rate of the epoch's last step
  Score train;                    ///< running: each batch before its step, with dropout
  Score validation;               ///< of the model after the epoch; no images: none were held out
  double seconds = 0;             ///< since training began, pauses not counted
  double samples_per_second = 0;  ///< of this epoch, validation not counted
};

/// A training run after an epoch: all that its rest depends on, bit for bit. train() leaves `settings` and
/// `data_checksum` empty; the caller may fill them.
struct Checkpoint {
  Model model;                       ///< as the epoch's last step left it
  std::vector<float> first_moment;   ///< the optimizer's, laid out as the model's values; empty: none
  std::vector<float> second_moment;  ///< the same
  std::vector<float> average;        ///< the moving average of the values; empty: none
  std::vector<float> best;           ///< values of the lowest validation loss; empty: none were held out
  std::vector<EpochRecord> history;  ///< one record an epoch
  std::map<std::string, std::string> settings;  ///< flags of `softwarp train`, such as "--lr": "0.003"
  std::uint32_t data_checksum = 0;              ///< checksum() of the training images
};

/// Writes a safetensors file. The model's tensors are as in write_model; those of the moments, the average
/// and the best have first_moment., second_moment., average. and best. before their names; everything else is
/// metadata. Throws
/// Error, which names the file, what was expected and what was found; no half-written file stays behind.
void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
/// Reads a file that write_checkpoint wrote. Throws Error in the same way.
[[nodiscard]] Checkpoint read_checkpoint(const std::filesystem::path& path);

/// Scores of one class.
struct ClassScore {
  double precision = 0;     ///< of the images taken for this class, the share that is of it
  double recall = 0;        ///< of the images of this class, the share taken for it
  double f1 = 0;            ///< harmonic mean of both
  std::int64_t images = 0;  ///< images of this class
};

/// An image that was taken for another class.
struct Mistake {
  std::int64_t image = 0;  ///< index in the data set
  int label = 0;           ///< its class
  int predicted = 0;       ///< the class it was taken for
  double probability = 0;  ///< the wrong class's
};

/// The images whose highest probability, the confidence, lies in one of 15 ranges of equal width: of range i,
/// in [i / 15, (i + 1) / 15). The last holds 1 and NaN, too. Means are NaN if there is no image.
struct CalibrationBin {
  double confidence = 0;    ///< mean
  double accuracy = 0;      ///< share whose likeliest class is the label
  std::int64_t images = 0;  ///< images counted
};

/// Scores of a classifier's probabilities, beside its accuracy.
struct Classification {
  std::vector<std::int64_t> confusion;  ///< [classes, classes]: rows are labels, columns predictions
  std::vector<ClassScore> classes;      ///< [classes]
  /// Expected calibration error: 15 bins of the highest probability, |accuracy - confidence| weighted by size
  /// (Guo et al., arXiv:1706.04599).
  double calibration_error = 0;
  std::vector<CalibrationBin> calibration;  ///< [15]: a reliability diagram's bars
  std::vector<Mistake> mistakes;            ///< the most confident first, NaN last
};

/// The progress of a training run, between two steps.
struct Progress {
  std::int64_t epoch = 0;        ///< from 1
  std::int64_t epochs = 0;       ///< of the run
  std::int64_t samples = 0;      ///< images of this epoch so far
  std::int64_t count = 0;        ///< images of a whole epoch
  double epoch_seconds = 0;      ///< of this epoch so far
  double seconds = 0;            ///< since training began
  std::function<Score()> score;  ///< of this process's part of the epoch so far; waits for the device
};

/// The plan of a training run, before it starts.
struct TrainingStart {
  MlpShape shape;                      ///< of the network
  std::int64_t parameters = 0;         ///< numbers that are learned
  std::int64_t train_images = 0;       ///< images to train on
  std::int64_t validation_images = 0;  ///< held out of the training images
  std::int64_t batch_size = 0;         ///< images a step
  std::int64_t steps_per_epoch = 0;    ///< optimizer steps
  std::int64_t epochs_before = 0;      ///< done by the run that this one resumes
  std::int64_t memory = 0;             ///< bytes on the device
};

/// Receives the events of a training run, in the thread that called train.
class TrainingObserver {
 public:
  /// Destroys the observer.
  virtual ~TrainingObserver() = default;
  /// Called once, before the first step.
  virtual void on_start(const TrainingStart&) {}
  /// Called after each step.
  virtual void on_step(const Progress&) {}
  /// Called after each epoch.
  virtual void on_epoch(const EpochRecord&) {}
  /// Called after each step, and after on_epoch if another epoch follows. If it returns true, the run ends as
  /// if the step before had been its last.
  virtual bool should_stop() { return false; }
};

/// The result of a training run.
struct TrainingResult {
  /// After the last epoch, or with a validation part after that of lowest validation loss. With ema_decay,
  /// the moving average.
  Model model;
  std::vector<EpochRecord> history;    ///< one record an epoch
  Score test;                          ///< the score of that model on the test images
  Classification classification;       ///< of the test images
  double seconds = 0;                  ///< of the run, pauses not counted
  double samples_per_second = 0;       ///< of the run
  std::int64_t parameters = 0;         ///< numbers that were learned
  bool stopped = false;                ///< true if the observer ended the run early
  bool stopped_early = false;          ///< true if the validation loss did not improve for `patience` epochs
  std::int64_t model_epoch = 0;        ///< the epoch after which the model was taken
  std::int64_t train_images = 0;       ///< images that were trained on
  std::int64_t validation_images = 0;  ///< images that were held out of the training images
};

/// The processes that share a training run. `softwarp train` makes one under mpirun; its header is not
/// installed.
class Communicator;

/// Options of a training run that do not change its result.
struct TrainingControl {
  std::int64_t checkpoint_every = 0;  ///< epochs between checkpoints; 0: none
  /// Called with a checkpoint after every `checkpoint_every`th epoch and the last. An epoch that was ended
  /// early has none.
  std::function<void(const Checkpoint&)> save_checkpoint = {};
  const Checkpoint* resume =
      nullptr;  ///< continues from here, to the bits of an uninterrupted run; null: from the start
  const Model* weights = nullptr;  ///< begins with its parameters in place of random ones; null: does not
  bool check_every_step = false;   ///< looks for NaN and infinities after each step, not every 100
  /// The processes that share the work; null: this one alone. It changes the result in the last bits unless
  /// there are several shards. Every process gets the same result; the first alone saves checkpoints.
  Communicator* communicator = nullptr;
};

/// Thrown when the loss or the parameters of a training run become infinite or NaN.
class Diverged : public Error {
 public:
  /// Made from its message.
  using Error::Error;
};

/// Trains a network and measures it on the test images, which may be none. Throws Diverged if its numbers
/// become NaN or infinite, and Error if the checkpoint belongs to another network or optimizer. The caller
/// compares the checkpoint's settings and data with its own.
TrainingResult train(Backend& backend, const TrainingSettings& settings, const DataPair& data,
                     TrainingObserver& observer, const TrainingControl& control = {});

/// Measures a model on a data set. Unless `probabilities` is null, the softmax of every image's logits is
/// written to it, [count, classes]. Throws Error if the network does not fit the images.
Score evaluate(Backend& backend, const Model& model, const Dataset& data,
               std::vector<float>* probabilities = nullptr);

/// The arithmetic mean of several models' probabilities, each a vector of one length, for a committee. Sums
/// are double, in this order; of one model, the result is the same bits.
[[nodiscard]] std::vector<float> mean_probabilities(std::span<const std::vector<float>> models);

/// The loss and accuracy of probabilities [images, classes] against labels [images]: the mean of -log of the
/// label's probability, and the share of labels with the highest, the first of equals. A label of probability
/// 0 makes the loss infinite. evaluate(), which has the logits, differs from it by rounding alone, unless a
/// probability is too small for a float.
[[nodiscard]] Score score_probabilities(std::span<const float> probabilities,
                                        std::span<const std::uint8_t> labels, int classes);

/// Scores probabilities [images, classes] against labels [images]. A score that is 0 / 0 is NaN.
[[nodiscard]] Classification classify(std::span<const float> probabilities,
                                      std::span<const std::uint8_t> labels, int classes);

}  // namespace softwarp
