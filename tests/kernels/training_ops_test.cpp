// Compares the other ops of a training step on the device with their definitions, or with the plain headers
// that the CPU uses, too.

#include "kernels/training_ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string_view>

#include "core/activation.h"
#include "core/dropout.h"
#include "core/optimizer.h"
#include "core/random.h"
#include "tests/kernels/placed.h"

namespace softwarp {
namespace {

using Floats = std::vector<float>;

constexpr Activation kActivations[] = {Activation::identity, Activation::relu, Activation::gelu,
                                       Activation::tanh, Activation::sigmoid};

class TrainingOps : public KernelTest {};

struct LayerShape {
  Place place;
  std::int64_t cols;
};
// Wide and narrow accesses, fewer and more rows than a block's 32, columns beside a block's 32 and 128.
const LayerShape kLayers[] = {{{1, 0, 0}, 1},    {{3, 0, 0}, 10},  {{32, 0, 0}, 128}, {{33, 4, 4}, 132},
                              {{128, 0, 0}, 64}, {{70, 1, 1}, 33}, {{5, 3, 0}, 129},  {{100, 0, 0}, 4}};

TEST_F(TrainingOps, BiasAndActivationMatchTheDefinition) {
  for (const auto& [place, cols] : kLayers)
    for (const Activation kind : kActivations) {
      SCOPED_TRACE(testing::Message()
                   << place.rows << " x " << cols << ", activation " << static_cast<int>(kind));
      const Floats z = random_numbers<float>(place.rows * cols, 1, 2),
                   bias = random_numbers<float>(cols, 2, 1);
      const Placed<float> from(place, cols, z), sums(place, cols), y(place, cols);
      const DeviceArray<float> b(bias);
      bias_activation(kind, from.const_view(), b.data(), sums.view(), y.view(), nullptr);
      const Floats kept = sums.values(), result = y.values();
      for (std::size_t i = 0; i < z.size(); ++i) {
        const float sum = z[i] + bias[i % static_cast<std::size_t>(cols)];
        ASSERT_EQ(kept[i], sum);
        ASSERT_NEAR(result[i], activate<double>(kind, sum), 4e-7 * (1 + std::abs(sum)));
      }
      bias_activation(kind, from.const_view(), b.data(), {}, from.view(), nullptr);
      EXPECT_EQ(from.values(), result) << "in place";
      bias_activation(kind, sums.const_view(), nullptr, {}, y.view(), nullptr);
      EXPECT_EQ(y.values(), result) << "without a bias";
    }
}

TEST_F(TrainingOps, BackwardOfBiasAndActivationMatchesTheDefinition) {
  for (const auto& [place, cols] : kLayers)
    for (const Activation kind : kActivations) {
      SCOPED_TRACE(testing::Message()
                   << place.rows << " x " << cols << ", activation " << static_cast<int>(kind));
      const Floats z = random_numbers<float>(place.rows * cols, 3, 2),
                   g = random_numbers<float>(place.rows * cols, 4, 1);
      Floats y;
      for (const float v : z) y.push_back(static_cast<float>(activate<double>(kind, v)));
      const Placed<float> z_placed(place, cols, z), y_placed(place, cols, y), dy(place, cols, g),
          dz(place, cols);
      Floats first, first_sums;
      for (int schedule = 0; schedule < schedules(2); ++schedule) {
        set_schedule(schedule);
        const DeviceArray<float> db(Floats(static_cast<std::size_t>(cols), 99));
        bias_activation_backward(kind, z_placed.const_view(), y_placed.const_view(), dy.const_view(),
                                 dz.view(), db.data(), nullptr);
        if (schedule == 0) first = dz.values(), first_sums = db.download();
        EXPECT_TRUE(dz.values() == first && db.download() == first_sums) << "another schedule";
      }
      std::vector<double> sums(static_cast<std::size_t>(cols)), sizes(sums.size());
      for (std::size_t i = 0; i < z.size(); ++i) {
        const double expected = g[i] * activation_derivative<double>(kind, z[i], y[i]);
        ASSERT_NEAR(first[i], expected, 2e-6 * std::abs(g[i]));
        sums[i % sums.size()] += expected;
        sizes[i % sums.size()] += std::abs(expected) + std::abs(g[i]);
      }
      for (std::size_t j = 0; j < sums.size(); ++j) ASSERT_NEAR(first_sums[j], sums[j], 2e-6 * sizes[j]);
      bias_activation_backward(kind, z_placed.const_view(), y_placed.const_view(), dy.const_view(), dy.view(),
                               nullptr, nullptr);
      EXPECT_EQ(dy.values(), first) << "in place, without the sums";
      const DeviceArray<float> db(cols);
      dy.upload(g);
      bias_activation_backward(kind, z_placed.const_view(), y_placed.const_view(), dy.const_view(), {},
                               db.data(), nullptr);
      EXPECT_EQ(db.download(), first_sums) << "the sums alone";
    }
}

TEST_F(TrainingOps, DropoutDrawsWhatTheHeaderDraws) {
  const TrainingState state{.seed = 7, .step = 11};
  const DeviceArray<TrainingState> on_device(std::vector{state});
  for (const std::int64_t size : {1, 7, 8, 9, 2048, 5001})
    for (const auto& [offset, first_row] : {std::pair<std::int64_t, std::int64_t>{0, 0},
                                            {1, 0},
                                            {0, 1},
                                            {0, 2},
                                            {1, 3},
                                            {0, 4},
                                            {0, 5},
                                            {1, 6},
                                            {0, 7}}) {
      const Floats x = random_numbers<float>(size, 5, 1);
      const Placed<float> from({1, 0, offset}, size, x), to({1, 0, offset}, size);
      dropout(from.const_view(), 0.3f, 2, on_device.data(), to.view(), first_row, nullptr);
      Floats expected;
      const Dropout chance(0.3f);
      for (std::int64_t i = 0; i < size; ++i) {
        const std::int64_t place = first_row * size + i;
        expected.push_back(chance.keeps(dropout_words(state, 2, place / 8), static_cast<int>(place % 8))
                               ? x[static_cast<std::size_t>(i)] * chance.scale
                               : 0.0f);
      }
      EXPECT_EQ(to.values(), expected)
          << size << " elements, offset " << offset << ", row " << first_row << " of the batch";
      dropout(from.const_view(), 0.3f, 2, on_device.data(), from.view(), first_row, nullptr);
      EXPECT_EQ(from.values(), expected) << "in place";
    }
}

TEST_F(TrainingOps, GatherTakesTheStatesBatch) {
  for (const std::int64_t pixels : {1, 3, 64, 784, 1100}) {
    const std::int64_t count = 37;
    std::vector<std::uint8_t> images(static_cast<std::size_t>(count * pixels)),
        labels(static_cast<std::size_t>(count));
    std::iota(images.begin(), images.end(), std::uint8_t{3});
    std::iota(labels.begin(), labels.end(), std::uint8_t{0});
    std::vector<std::int32_t> order(labels.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i * 8 % order.size());
    const DeviceArray<std::uint8_t> images_on(images), labels_on(labels);
    const DeviceArray<std::int32_t> order_on(order);
    const DeviceArray<TrainingState> state(std::vector{TrainingState{.position = 5}});
    const DatasetView data{images_on.data(), labels_on.data(), count, pixels, 1.0f / 255};
    for (const bool shuffled : {false, true})
      for (const Place& place : {Place{10, 0, 0}, Place{10, 3, 1}}) {
        const Placed<float> batch(place, pixels);
        const DeviceArray<std::int32_t> targets(10);
        gather_batch(data, shuffled ? order_on.data() : nullptr, state.data(), batch.view(), targets.data(),
                     nullptr);
        const Floats values = batch.values();
        const auto found = targets.download();
        for (std::int64_t r = 0; r < 10; ++r) {
          const std::int64_t sample = shuffled ? order[static_cast<std::size_t>(5 + r)] : 5 + r;
          ASSERT_EQ(found[static_cast<std::size_t>(r)], sample);
          for (std::int64_t j = 0; j < pixels; ++j)
            ASSERT_EQ(
                values[static_cast<std::size_t>(r * pixels + j)],
                static_cast<float>(images[static_cast<std::size_t>(sample * pixels + j)]) * (1.0f / 255));
        }
      }
  }
}

// Images beyond what 32 bits address. All but the last are untouched memory, which costs nothing.
TEST_F(TrainingOps, GatherReachesImagesBeyondFourGibibytes) {
  constexpr std::int64_t kPixels = 784, kCount = (std::int64_t{1} << 32) / kPixels + 2;
  const DeviceArray<std::uint8_t> images(kCount * kPixels), labels(kCount);
  std::vector<std::uint8_t> last(kPixels);
  std::iota(last.begin(), last.end(), std::uint8_t{9});
  const std::uint8_t label = 7;
  ASSERT_EQ(
      cudaMemcpy(images.data() + (kCount - 1) * kPixels, last.data(), last.size(), cudaMemcpyHostToDevice),
      cudaSuccess);
  ASSERT_EQ(cudaMemcpy(labels.data() + kCount - 1, &label, 1, cudaMemcpyHostToDevice), cudaSuccess);
  const DeviceArray<TrainingState> state(std::vector{TrainingState{.position = kCount - 1}});
  const Placed<float> batch({1, 0, 0}, kPixels);
  const DeviceArray<std::int32_t> targets(1);
  gather_batch({images.data(), labels.data(), kCount, kPixels, 1.0f}, nullptr, state.data(), batch.view(),
               targets.data(), nullptr);
  EXPECT_EQ(batch.values(), Floats(last.begin(), last.end()));
  EXPECT_EQ(targets.value(), label);
}

// The optimizers in double.
struct Moved {
  double value, first, second;
};
Moved sgd_reference(double value, double moment, double g, double rate, const SgdOptions& o, double decay) {
  const double d = g + decay * value, m = o.momentum * moment + d;
  return {value - rate * (o.nesterov ? d + o.momentum * m : m), m, 0};
}
Moved adamw_reference(double value, double first, double second, double g, double rate, const AdamwOptions& o,
                      double decay, std::int64_t t) {
  const double b1 = o.beta1, b2 = o.beta2;
  const double m = b1 * first + (1 - b1) * g, v = b2 * second + (1 - b2) * g * g;
  const double corrected = m / (1 - std::pow(b1, static_cast<double>(t)));
  const double root = std::sqrt(v / (1 - std::pow(b2, static_cast<double>(t))));
  return {value - rate * decay * value - rate * corrected / (root + o.epsilon), m, v};
}

// Runs a step and compares what it left, and the state that it moved on.
template <class Step, class Reference>
void check_optimizer(std::int64_t size, std::int64_t offset, Step step, Reference reference) {
  const std::int64_t decayed = size / 3;
  const Floats values = random_numbers<float>(size, 1, 1), gradients = random_numbers<float>(size, 2, 1),
               first = random_numbers<float>(size, 3, 1);
  Floats second = random_numbers<float>(size, 4, 1);
  for (float& v : second) v = std::abs(v);
  const Place place{1, 0, offset};
  const Placed<float> p(place, size, values), g(place, size, gradients), m(place, size, first),
      v(place, size, second);
  const DeviceArray<TrainingState> state(std::vector{TrainingState{.seed = 1, .step = 4, .position = 30}});
  step(ParameterBuffers{.values = p.view().data,
                        .gradients = g.view().data,
                        .first_moment = m.view().data,
                        .second_moment = v.view().data,
                        .size = size,
                        .decayed = decayed},
       state.data());
  const Floats p_after = p.values(), m_after = m.values(), v_after = v.values();
  for (std::int64_t j = 0; j < size; ++j) {
    const auto i = static_cast<std::size_t>(j);
    const Moved expected = reference(values[i], first[i], second[i], gradients[i], j < decayed);
    ASSERT_NEAR(p_after[i], expected.value, 2e-6 * (1 + std::abs(values[i])))
        << "parameter " << j << " of " << size;
    ASSERT_NEAR(m_after[i], expected.first, 1e-6 * (1 + std::abs(first[i])));
    ASSERT_NEAR(v_after[i], expected.second, 1e-6 * (1 + std::abs(second[i])));
  }
  const TrainingState after = state.value();
  EXPECT_EQ(after.step, 5);
  EXPECT_EQ(after.position, 62);
  EXPECT_EQ(after.arrived, 0u) << "ready for the next step";
}

TEST_F(TrainingOps, SgdMatchesTheDefinition) {
  const Schedule schedule{.kind = ScheduleKind::one_cycle, .rate = 0.1, .steps = 20};
  const double rate = learning_rate(schedule, 4);
  for (const SgdOptions& options : {SgdOptions{}, SgdOptions{.momentum = 0.9f, .weight_decay = 0.01f},
                                    SgdOptions{.momentum = 0.8f, .nesterov = true, .weight_decay = 0.1f}})
    for (const std::int64_t size : {0, 1, 5, 1024, 3001})
      for (const std::int64_t offset : {0, 1}) {
        set_schedule(static_cast<int>(size));
        check_optimizer(
            size, offset,
            [&](const ParameterBuffers& p, TrainingState* state) {
              sgd_step(p, options, schedule, state, 32, nullptr);
            },
            [&](double value, double first, double second, double g, bool decays) {
              Moved moved = sgd_reference(value, first, g, rate, options, decays ? options.weight_decay : 0);
              if (options.momentum == 0) moved.first = first;  // left alone
              moved.second = second;
              return moved;
            });
      }
}

TEST_F(TrainingOps, AdamwMatchesTheDefinition) {
  const Schedule schedule{.kind = ScheduleKind::cosine, .rate = 0.01, .steps = 50, .warmup_steps = 2};
  const double rate = learning_rate(schedule, 4);
  for (const AdamwOptions& options :
       {AdamwOptions{}, AdamwOptions{.beta1 = 0.8f, .beta2 = 0.99f, .weight_decay = 0.3f}})
    for (const std::int64_t size : {0, 1, 5, 1024, 3001})
      for (const std::int64_t offset : {0, 1})
        check_optimizer(
            size, offset,
            [&](const ParameterBuffers& p, TrainingState* state) {
              adamw_step(p, options, schedule, state, 32, nullptr);
            },
            [&](double value, double first, double second, double g, bool decays) {
              return adamw_reference(value, first, second, g, rate, options,
                                     decays ? options.weight_decay : 0, 5);
            });
}

// As other blocks, warps and threads come first.
TEST_F(TrainingOps, AverageAndMaxNormMatchTheDefinitionInAnyOrder) {
  for (const std::int64_t cols : {1, 33, 256, 1028})
    for (int schedule = 0; schedule < schedules(8); ++schedule) {
      SCOPED_TRACE(testing::Message() << cols << " columns, schedule " << schedule);
      set_schedule(schedule);
      const Place place{3, 0, schedule % 2};
      const Floats x = random_numbers<float>(3 * cols, 1, 1), y = random_numbers<float>(3 * cols, 2, 1);
      const Placed<float> values(place, cols, x), average(place, cols, y);
      const DeviceArray<TrainingState> state(std::vector{TrainingState{.step = 3}});
      average_parameters(values.view().data, average.view().data, 3 * cols, 0.5f, state.data(), nullptr);
      const auto limit = static_cast<float>(0.5 * std::sqrt(cols));
      renorm_rows(values.view(), limit, nullptr);
      const Floats averages = average.values(), limited = values.values();
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_NEAR(averages[i], (4 * double{x[i]} + 3 * double{y[i]}) / 7, 4e-7) << i;  // 4 of 1 + 2 + 4
        const auto first = i - i % static_cast<std::size_t>(cols);
        double squares = 0;
        for (std::size_t j = first; j < first + static_cast<std::size_t>(cols); ++j)
          squares += double{x[j]} * double{x[j]};
        ASSERT_NEAR(limited[i], x[i] * std::min(1.0, limit / std::sqrt(squares)), 1e-6) << i;
      }
    }
}

// Blocks compute learning rates in float, for the sake of latency, the CPU in double.
TEST(Schedules, InFloatAreThoseInDouble) {
  for (const ScheduleKind kind :
       {ScheduleKind::constant, ScheduleKind::cosine, ScheduleKind::one_cycle, ScheduleKind::step})
    for (const std::int64_t steps : {1, 2, 10, 2820, 100000}) {
      const Schedule schedule{
          .kind = kind, .rate = 3e-3, .steps = steps, .warmup_steps = steps / 10, .step_every = 7};
      for (std::int64_t step = 0; step < steps; step += 1 + steps / 300) {
        const double expected = learning_rate(schedule, step);
        EXPECT_NEAR(learning_rate<float>(schedule, step), expected, 2e-6 * expected + 2e-8 * schedule.rate)
            << "kind " << static_cast<int>(kind) << ", step " << step << " of " << steps;
      }
    }
  for (const std::int64_t t : {1, 2, 10, 1000, 1000000}) {
    const AdamwStep expected = AdamwStep::at(0.01f, {}, t), actual = AdamwStep::at<float>(0.01f, {}, t);
    EXPECT_NEAR(actual.rate, expected.rate, 1e-6 * expected.rate);
    EXPECT_NEAR(actual.root_scale, expected.root_scale, 1e-6 * expected.root_scale);
  }
}

TEST_F(TrainingOps, GatherRefusesABatchLargerThanTheDataSet) {
  const DeviceArray<std::uint8_t> images(8), labels(2);
  const DeviceArray<std::int32_t> order(2), targets(3);
  const DeviceArray<TrainingState> state(std::vector<TrainingState>(1));
  const Placed<float> batch({3, 0, 0}, 4);
  try {
    gather_batch({images.data(), labels.data(), 2, 4}, order.data(), state.data(), batch.view(),
                 targets.data(), nullptr);
    ADD_FAILURE() << "no error";
  } catch (const std::invalid_argument& error) {
    EXPECT_TRUE(std::string_view(error.what()).ends_with("expects a batch no larger than the data set"))
        << error.what();
  }
}

// A block that is late, of which one thread has drawn the ticket and another notes the step when the last
// block has moved it on already.
TEST_F(TrainingOps, LateThreadsNoteTheStepTheyBelongTo) {
  constexpr std::int64_t kSize = 3000;  // three blocks
  for (int schedule = 0; schedule < schedules(200); ++schedule) {
    set_schedule(schedule);
    Floats gradients(kSize, 1);
    gradients[static_cast<std::size_t>(1024 * (schedule % 3) + 512)] = NAN;  // of a block's third warp
    const DeviceArray<float> g(gradients), values(Floats(kSize, 0)), moments(Floats(kSize, 0)),
        squares(Floats(kSize, 0));
    const ParameterBuffers parameters{values.data(), g.data(), moments.data(), squares.data(), kSize, kSize};
    const DeviceArray<TrainingState> state(std::vector{TrainingState{.step = 4}});
    if (schedule % 2 == 0)
      sgd_step(parameters, {}, {}, state.data(), 1, nullptr);
    else
      adamw_step(parameters, {}, {}, state.data(), 1, nullptr);
    ASSERT_EQ(state.value().step, 5) << schedule;
    ASSERT_EQ(state.value().first_nonfinite_step, 5) << schedule;
  }
}

TEST_F(TrainingOps, AdvanceMovesThePositionAlone) {
  const DeviceArray<TrainingState> state(std::vector{TrainingState{.seed = 3, .step = 4, .position = 5}});
  advance(state.data(), 7, nullptr);
  EXPECT_EQ(state.value().position, 12);
  EXPECT_EQ(state.value().step, 4);
  EXPECT_EQ(state.value().seed, 3u);
}

TEST_F(TrainingOps, PermutationSortsTheHeadersKeys) {
  for (const std::int64_t count : {0, 1, 2, 100, 3000}) {
    std::vector<std::int32_t> expected(static_cast<std::size_t>(count));
    std::iota(expected.begin(), expected.end(), 0);
    std::stable_sort(expected.begin(), expected.end(),
                     [](auto a, auto b) { return permutation_key(9, 2, a) < permutation_key(9, 2, b); });
    const DeviceArray<std::int32_t> order(count);
    const DeviceArray<char> workspace(static_cast<std::int64_t>(permutation_workspace_bytes(count)));
    permutation(9, 2, order.data(), count, {workspace.data(), workspace.bytes()}, nullptr);
    EXPECT_EQ(order.download(), expected);
  }
}

}  // namespace
}  // namespace softwarp
