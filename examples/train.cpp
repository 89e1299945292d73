// Trains a perceptron on MNIST, on a GPU where there is one, and keeps it: train [DATA]
#include <cstdio>
#include <exception>

#include <softwarp/backend.h>
#include <softwarp/dataset.h>
#include <softwarp/mlp.h>
#include <softwarp/train.h>

using namespace softwarp;

struct Losses final : TrainingObserver {
  void on_epoch(const EpochRecord& epoch) override { std::printf("loss %.4f\n", epoch.train.loss); }
};

int main(int argc, char** argv) try {
  const DataPair data = load_data(argc > 1 ? argv[1] : "mnist");
  const auto backend = cuda_unavailable_reason().empty() ? make_cuda_backend() : make_cpu_backend();

  TrainingSettings settings;
  settings.hidden = {128};
  settings.epochs = 6;
  Losses losses;
  const TrainingResult result = train(*backend, settings, data, losses);

  std::printf("test accuracy %.2f %%\n", 100 * result.test.accuracy);
  write_model("model.safetensors", result.model);
} catch (const std::exception& error) {
  std::fprintf(stderr, "train: %s\n", error.what());
  return 1;
}
