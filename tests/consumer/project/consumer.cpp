// Trains on the installed digits and asks both libraries for the same softmax.

#include <cmath>
#include <cstdio>
#include <exception>
#include <span>

#include "all_headers.h"

namespace {

using namespace softwarp;

double train_on_digits(Backend& backend) {
  const DataPair data = load_data(DATA_DIR "/digits");
  TrainingSettings settings;
  settings.hidden = {20};
  settings.epochs = 5;
  TrainingObserver silent;
  return train(backend, settings, data, silent).test.accuracy;
}

float largest_difference(Backend& backend) {
  const float logits[6] = {1, 2, 3, -4, 5, -6};
  float ours[6], of_c[6];
  const Matrix x = backend.make_matrix(2, 3);
  backend.upload(std::span<const float>(logits), x.view().data);
  backend.softmax(x.view(), x.view());
  backend.download(x.view().data, std::span<float>(ours));
  if (softwarp_softmax(SOFTWARP_CPU, SOFTWARP_FLOAT32, 2, 3, logits, 3, of_c, 3, nullptr, 0, nullptr) !=
      SOFTWARP_SUCCESS)
    return INFINITY;
  float most = 0;
  for (int i = 0; i < 6; ++i) most = std::fmax(most, std::abs(ours[i] - of_c[i]));
  return most;
}

}  // namespace

int main() try {
  const auto backend = make_cpu_backend();
  const double accuracy = train_on_digits(*backend);
  const float difference = largest_difference(*backend);
  std::printf("accuracy %.3f, difference %g\n", accuracy, static_cast<double>(difference));
  return accuracy > 0.5 && difference == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "consumer: %s\n", error.what());
  return 1;
}
