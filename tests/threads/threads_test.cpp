// All that the CPU backend does with several threads, at sizes at which it uses them. ThreadSanitizer looks
// for races (the preset threads); beside that, the results are those of one thread.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <random>
#include <thread>

namespace softwarp {
namespace {

std::vector<float> random_values(std::int64_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& v : values) v = normal(random);
  return values;
}

// Every op on rows, all results one after the other.
std::vector<float> softmax_family(Backend& backend) {
  constexpr std::int64_t kRows = 203, kCols = 501;
  const auto x = random_values(kRows * kCols, 1), g = random_values(kRows * kCols, 2);
  const auto in = matrix_view(x.data(), kRows, kCols), gradient = matrix_view(g.data(), kRows, kCols);
  std::vector<float> y(x.size()), log_y(x.size()), dx(x.size()), log_dx(x.size()), dlogits(x.size());
  const auto view = [&](std::vector<float>& values) { return matrix_view(values.data(), kRows, kCols); };
  backend.softmax(in, view(y));
  backend.log_softmax(in, view(log_y));
  backend.softmax_backward(view(y), gradient, view(dx));
  backend.log_softmax_backward(view(log_y), gradient, view(log_dx));
  std::vector<std::int32_t> targets(kRows), best(kRows);
  for (std::size_t r = 0; r < targets.size(); ++r) targets[r] = static_cast<std::int32_t>(7 * r % kCols);
  CrossEntropySums sums;
  backend.softmax_cross_entropy(in, targets.data(), {.label_smoothing = 0.1f}, nullptr, view(dlogits), &sums);
  backend.argmax(in, best.data());
  std::vector<float> all{static_cast<float>(sums.loss), static_cast<float>(sums.correct)};
  for (const auto& part : {y, log_y, dx, log_dx, dlogits}) all.insert(all.end(), part.begin(), part.end());
  all.insert(all.end(), best.begin(), best.end());
  return all;
}

TEST(Threads, GiveTheSoftmaxFamilyOfOneThread) {
  const auto one = softmax_family(*make_cpu_backend(1));
  for (const int threads : {2, 4, 7}) EXPECT_EQ(softmax_family(*make_cpu_backend(threads)), one);
}

TrainingResult train_with(int threads, OptimizerKind optimizer, Activation activation) {
  static const DataPair digits = load_data("digits");
  TrainingSettings settings;
  settings.hidden = {256, 128};
  settings.optimizer = optimizer;
  settings.activation = activation;
  settings.epochs = 2;
  settings.validation = 0.2;
  settings.max_norm = 1;
  settings.ema_decay = 0.9;
  const auto backend = make_cpu_backend(threads);
  TrainingObserver silent;
  return train(*backend, settings, digits, silent);
}

TEST(Threads, TrainAsOftenAsOneLikes) {
  for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adamw})
    for (const Activation activation :
         {Activation::relu, Activation::gelu, Activation::tanh, Activation::sigmoid}) {
      const auto first = train_with(4, optimizer, activation);
      EXPECT_EQ(train_with(4, optimizer, activation).model.values, first.model.values);
      EXPECT_NEAR(train_with(1, optimizer, activation).test.loss, first.test.loss, 1e-3);
    }
}

// Backends of their own in threads of their own.
TEST(Threads, MayEachHaveABackend) {
  const auto expected = softmax_family(*make_cpu_backend(2));
  std::vector<std::vector<float>> results(3);
  {
    std::vector<std::jthread> threads;
    for (auto& result : results)
      threads.emplace_back([&result] { result = softmax_family(*make_cpu_backend(2)); });
  }
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace softwarp
