#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

constexpr int kSteps = 60;
constexpr std::int64_t kRows = 32;

// Shared by both optimizers' tests: parameters on a device, and a gradient and a rate that change from step
// to step.
struct Problem {
  std::int64_t size;
  std::int64_t decayed;
};
std::ostream& operator<<(std::ostream& out, const Problem& p) { return out << p.decayed << " of " << p.size; }

const Schedule kSchedule{.kind = ScheduleKind::step, .rate = 0.05, .step_every = 7, .step_factor = 0.8};
double rate_at(int step) { return 0.05 * std::pow(0.8, step / 7); }

Floats gradient_at(int step, std::int64_t size) {
  return random_values(size, 100 + static_cast<std::uint32_t>(step));
}

struct Parameters {
  Parameters(Backend& on, const Problem& problem)
      : backend(on),
        values(upload(on, random_values(problem.size, 1))),
        gradients(on.make_array<float>(problem.size)),
        first(on.make_array<float>(problem.size)),
        second(on.make_array<float>(problem.size)),
        state(upload(on, std::vector{TrainingState{}})),
        buffers{values.data(), gradients.data(), first.data(), second.data(), problem.size, problem.decayed} {
  }

  // Calls step(buffers, state) kSteps times and returns the parameters.
  template <class Step>
  Floats train(Step step) {
    for (int i = 0; i < kSteps; ++i) {
      backend.upload<float>(gradient_at(i, buffers.size), gradients.data());
      step(buffers, state.data());
    }
    const auto end = backend.download(state.data());
    EXPECT_EQ(end.step, kSteps);
    EXPECT_EQ(end.position, kSteps * kRows);
    return fetch(values);
  }
  Floats fetch(const Array<float>& array) { return download(backend, array.data(), array.size()); }

  Backend& backend;
  Array<float> values, gradients, first, second;
  Array<TrainingState> state;
  ParameterBuffers buffers;
};

// Each step rounds the parameter (size below 4 here) twice, and its change, made of no more than ten
// roundings, once more; a momentum carries its own roundings on for 1 / (1 - momentum) steps.
double tolerance(double largest_change, double momentum) {
  return kSteps * kRounding * (2 * 4 + 10 * largest_change / (1 - momentum));
}

class Optimizer : public testing::TestWithParam<Problem> {
 protected:
  // The definition, in double: update(p, m, v, g, decays, rate, t) for each parameter and each step t = 1, 2,
  // ...
  struct Trained {
    Doubles values, first, second;
  };
  template <class Update>
  Trained train_reference(Update update) const {
    const auto [size, decayed] = GetParam();
    const Floats start = random_values(size, 1);
    Trained trained{Doubles(start.begin(), start.end()), Doubles(start.size()), Doubles(start.size())};
    for (int step = 0; step < kSteps; ++step) {
      const Floats gradient = gradient_at(step, size);
      for (std::size_t i = 0; i < start.size(); ++i)
        update(trained.values[i], trained.first[i], trained.second[i], static_cast<double>(gradient[i]),
               static_cast<std::int64_t>(i) < decayed, rate_at(step), step + 1);
    }
    return trained;
  }

  void expect_sgd(const SgdOptions& options) const {
    const double momentum = options.momentum, decay = options.weight_decay;
    const auto expected =
        train_reference([&](double& p, double& m, double&, double g, bool decays, double rate, int) {
          const double d = g + (decays ? decay * p : 0);
          m = momentum * m + d;
          p -= rate * (options.nesterov ? d + momentum * m : m);
        });
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name());
      Parameters parameters(*backend, GetParam());
      if (options.momentum == 0) parameters.buffers.first_moment = nullptr;
      parameters.buffers.second_moment = nullptr;
      const Floats found = parameters.train([&](const ParameterBuffers& buffers, TrainingState* state) {
        backend->sgd_step(buffers, options, kSchedule, state, kRows);
      });
      const double change = 0.05 * 1.5 / (1 - momentum);
      EXPECT_TRUE(all_near(found, expected.values, tolerance(change, momentum)));
      if (options.momentum == 0) continue;
      // The roundings of every step, of a momentum below 1.5 / (1 - momentum), and what decay takes over from
      // p.
      const double carried = decay * tolerance(change, momentum) / (1 - momentum);
      EXPECT_TRUE(all_near(parameters.fetch(parameters.first), expected.first,
                           kSteps * 4 * kRounding * 1.5 / (1 - momentum) + carried))
          << "momentum";
    }
  }

  void expect_adamw(const AdamwOptions& options) const {
    const double beta1 = options.beta1, beta2 = options.beta2, epsilon = options.epsilon,
                 decay = options.weight_decay;
    const auto expected =
        train_reference([&](double& p, double& m, double& v, double g, bool decays, double rate, int t) {
          if (decays) p -= rate * decay * p;
          m = beta1 * m + (1 - beta1) * g;
          v = beta2 * v + (1 - beta2) * g * g;
          p -= rate * (m / (1 - std::pow(beta1, t))) / (std::sqrt(v / (1 - std::pow(beta2, t))) + epsilon);
        });
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name());
      Parameters parameters(*backend, GetParam());
      const Floats found = parameters.train([&](const ParameterBuffers& buffers, TrainingState* state) {
        backend->adamw_step(buffers, options, kSchedule, state, kRows);
      });
      // A mean over a root mean square: below 2 for these gradients.
      EXPECT_TRUE(all_near(found, expected.values, tolerance(0.05 * 2, beta1)));
      EXPECT_TRUE(all_near(parameters.fetch(parameters.first), expected.first, kSteps * 4 * kRounding))
          << "mean";
      Doubles relative;  // no term of this sum is negative
      for (const double v : expected.second) relative.push_back(kSteps * 4 * kRounding * v);
      EXPECT_TRUE(all_near(parameters.fetch(parameters.second), expected.second, relative)) << "mean square";
    }
  }
};

TEST_P(Optimizer, SgdMatchesTheDefinition) { expect_sgd({}); }
TEST_P(Optimizer, SgdWithMomentum) { expect_sgd({.momentum = 0.9f}); }
TEST_P(Optimizer, SgdWithNesterovsMomentum) { expect_sgd({.momentum = 0.8f, .nesterov = true}); }
TEST_P(Optimizer, SgdWithWeightDecay) { expect_sgd({.weight_decay = 0.1f}); }
TEST_P(Optimizer, SgdWithEverything) {
  expect_sgd({.momentum = 0.9f, .nesterov = true, .weight_decay = 0.1f});
}
TEST_P(Optimizer, AdamwMatchesTheDefinition) { expect_adamw({}); }
TEST_P(Optimizer, AdamwWithoutWeightDecay) { expect_adamw({.weight_decay = 0}); }
TEST_P(Optimizer, AdamwWithOtherConstants) {
  expect_adamw({.beta1 = 0.8f, .beta2 = 0.9f, .epsilon = 0.25f, .weight_decay = 0.5f});
}

INSTANTIATE_TEST_SUITE_P(Sizes, Optimizer,
                         testing::Values(Problem{1, 0}, Problem{1, 1}, Problem{13, 5}, Problem{64, 48},
                                         Problem{1000, 1000}, Problem{20'011, 17'003}));  // beyond 16384

// The first, the last, and places before, at and behind the middle, where biases begin.
std::vector<std::size_t> places_in(std::int64_t size) {
  const auto n = static_cast<std::size_t>(size);
  std::vector<std::size_t> places{0, n / 4, n / 2, 3 * n / 4, n - 1};
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

TEST(Optimizers, NameTheFirstStepThatLosesAParameter) {
  for (const auto& backend : make_backends())
    for (const std::int64_t size : {1, 5, 5003, 40'003}) {
      if (size > 16'384 && !backend->name().starts_with("cpu")) continue;  // it shares no more among threads
      const Floats start = random_values(size, 1);
      for (const std::size_t place : places_in(size))
        for (const float bad : {NAN, INFINITY, -INFINITY})
          for (const bool adamw : {false, true}) {
            SCOPED_TRACE(testing::Message() << backend->name() << ", " << place << " of " << size);
            const auto values = upload(*backend, start), moments = upload(*backend, Floats(start.size())),
                       squares = upload(*backend, Floats(start.size()));
            const auto state = upload(*backend, std::vector{TrainingState{.step = 4}});
            const auto step = [&](float gradient) {
              Floats g(start.size(), 0.5f);
              g[place] = gradient;
              const auto gradients = upload(*backend, g);
              const ParameterBuffers buffers{values.data(), gradients.data(), moments.data(), squares.data(),
                                             size,          size / 2};
              if (adamw)
                backend->adamw_step(buffers, {}, {}, state.data(), 1);
              else
                backend->sgd_step(buffers, {}, {}, state.data(), 1);
              return backend->download(state.data()).first_nonfinite_step;
            };
            EXPECT_EQ(step(1e10f), 0);
            EXPECT_EQ(step(bad), 6);
            EXPECT_EQ(step(1.0f), 6);  // it stays the first
          }
    }
}

// The same bits on any number of threads, after many steps.
TEST(OptimizerThreads, DoNotMatter) {
  const Problem problem{40'003, 39'001};
  Floats first;
  for (const int threads : {1, 2, 3}) {
    const auto backend = make_cpu_backend(threads);
    Parameters parameters(*backend, problem);
    const Floats found = parameters.train([&](const ParameterBuffers& buffers, TrainingState* state) {
      backend->adamw_step(buffers, {}, kSchedule, state, kRows);
    });
    if (first.empty()) first = found;
    EXPECT_EQ(found, first) << threads;
  }
}

}  // namespace
}  // namespace softwarp
