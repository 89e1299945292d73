// Every operand of every op by itself off each boundary and at each odd stride, all others aligned: an op
// that looks at one operand's alignment and accesses another is refused by the simulator and by a GPU. And
// the result is the same.

#include <gtest/gtest.h>
#include <softwarp/argmax.h>
#include <softwarp/cross_entropy.h>
#include <softwarp/softmax.h>
#include <softwarp/softmax_axis.h>

#include <functional>
#include <string>

#include "core/random.h"
#include "kernels/training_ops.h"
#include "tests/kernels/placed.h"

namespace softwarp {
namespace {

class Alignment : public KernelTest {
 protected:
  // An operand's place, drawn by the table: elements off a boundary and elements between rows.
  struct Shift {
    std::int64_t offset = 0;
    std::int64_t gap = 0;
    Place of(std::int64_t rows) const { return {rows, gap, offset}; }
  };
  struct Operand {
    const char* name;
    std::int64_t elements;  // of a 16-byte access
    bool strided = true;    // its rows may lie apart
  };
  // Runs the op with its operands so shifted and returns all that it wrote.
  using Run = std::function<std::vector<double>(const std::vector<Shift>&)>;

  static void expect_same_for_every_operand(const std::string& op, const std::vector<Operand>& operands,
                                            const Run& run, double tolerance) {
    const std::vector<double> expected = run(std::vector<Shift>(operands.size()));
    for (std::size_t which = 0; which < operands.size(); ++which) {
      std::vector<Shift> each;
      for (std::int64_t offset = 1; offset < operands[which].elements; ++offset) each.push_back({offset, 0});
      if (operands[which].strided)
        for (std::int64_t gap = 1; gap < operands[which].elements; ++gap) each.push_back({0, gap});
      for (const Shift& shift : each) {
        SCOPED_TRACE(op + ": " + operands[which].name + " off by " + std::to_string(shift.offset) +
                     ", rows apart by " + std::to_string(shift.gap));
        std::vector<Shift> shifts(operands.size());
        shifts[which] = shift;
        const std::vector<double> found = run(shifts);
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t i = 0; i < found.size(); ++i)
          ASSERT_NEAR(found[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << "result " << i;
      }
    }
  }

  template <class... Results>
  static std::vector<double> joined(const Results&... results) {
    std::vector<double> all;
    const auto append = [&](const auto& values) {
      for (const auto& v : values) all.push_back(to_double(v));
    };
    (append(results), ...);
    return all;
  }
};

template <class T>
class RowAlignment : public Alignment {};
using Types = testing::Types<float, double, float16, bfloat16>;
TYPED_TEST_SUITE(RowAlignment, Types);

// Columns, whole vectors of them: of a warp's lanes, of a block, and of a row that is read twice.
template <class T>
std::vector<std::int64_t> columns() {
  if (std::is_same_v<T, float> || std::is_same_v<T, float16>) return {8, 64, 2048, 70400};
  return {8, 64, 2048};
}

TYPED_TEST(RowAlignment, OfSoftmaxAndItsBackwards) {
  using T = TypeParam;
  constexpr std::int64_t kWidth = 16 / sizeof(T);
  const double tolerance = kSmall<T> ? 0.01 : 1e-5;
  for (const std::int64_t cols : columns<T>()) {
    const std::int64_t rows = cols < 100 ? 5 : 1;
    const auto x = random_numbers<T>(rows * cols, 1, 1), g = random_numbers<T>(rows * cols, 2, 1);
    const auto forward = [&](auto op) {
      return [&, op](const std::vector<Alignment::Shift>& s) {
        const Placed<T> in(s[0].of(rows), cols, x), out(s[1].of(rows), cols);
        op(in.const_view(), out.view());
        return this->joined(out.values());
      };
    };
    const auto backward = [&](auto op) {
      return [&, op](const std::vector<Alignment::Shift>& s) {
        const Placed<T> y(s[0].of(rows), cols, x), dy(s[1].of(rows), cols, g), dx(s[2].of(rows), cols);
        op(y.const_view(), dy.const_view(), dx.view());
        return this->joined(dx.values());
      };
    };
    const std::vector<Alignment::Operand> two{{"x", kWidth}, {"y", kWidth}};
    const std::vector<Alignment::Operand> three{{"y", kWidth}, {"dy", kWidth}, {"dx", kWidth}};
    const std::string size = " of " + std::to_string(cols);
    this->expect_same_for_every_operand(
        "softmax" + size, two, forward([](auto in, auto out) { softmax<T>(in, out, nullptr); }), tolerance);
    this->expect_same_for_every_operand("log_softmax" + size, two,
                                        forward([](auto in, auto out) { log_softmax<T>(in, out, nullptr); }),
                                        tolerance);
    this->expect_same_for_every_operand(
        "softmax_backward" + size, three,
        backward([](auto y, auto dy, auto dx) { softmax_backward<T>(y, dy, dx, nullptr); }), 100 * tolerance);
    this->expect_same_for_every_operand(
        "log_softmax_backward" + size, three,
        backward([](auto y, auto dy, auto dx) { log_softmax_backward<T>(y, dy, dx, nullptr); }),
        10 * tolerance);
  }
}

TYPED_TEST(RowAlignment, OfTheMiddle) {
  using T = TypeParam;
  constexpr std::int64_t kWidth = 16 / sizeof(T), kOuter = 2, kInner = 16;
  const double tolerance = kSmall<T> ? 0.01 : 1e-5;
  for (const std::int64_t cols : {3, 2100}) {  // held, streamed
    const std::int64_t size = kOuter * cols * kInner;
    const auto x = random_numbers<T>(size, 1, 1), g = random_numbers<T>(size, 2, 1);
    const auto middle = [&](const Placed<T>& placed) {
      return AxisView<T>{placed.view().data, kOuter, cols, kInner};
    };
    const auto const_middle = [&](const Placed<T>& placed) {
      return AxisView<const T>{placed.view().data, kOuter, cols, kInner};
    };
    const std::string of = " of " + std::to_string(cols);
    for (const bool log : {false, true}) {
      this->expect_same_for_every_operand((log ? "log_softmax" : "softmax") + of,
                                          {{"x", kWidth, false}, {"y", kWidth, false}},
                                          [&](const std::vector<Alignment::Shift>& s) {
                                            const Placed<T> in(s[0].of(1), size, x), out(s[1].of(1), size);
                                            log ? log_softmax<T>(const_middle(in), middle(out), nullptr)
                                                : softmax<T>(const_middle(in), middle(out), nullptr);
                                            return this->joined(out.values());
                                          },
                                          tolerance);
      this->expect_same_for_every_operand(
          (log ? "log_softmax_backward" : "softmax_backward") + of,
          {{"y", kWidth, false}, {"dy", kWidth, false}, {"dx", kWidth, false}},
          [&](const std::vector<Alignment::Shift>& s) {
            const Placed<T> y(s[0].of(1), size, x), dy(s[1].of(1), size, g), dx(s[2].of(1), size);
            log ? log_softmax_backward<T>(const_middle(y), const_middle(dy), middle(dx), nullptr)
                : softmax_backward<T>(const_middle(y), const_middle(dy), middle(dx), nullptr);
            return this->joined(dx.values());
          },
          100 * tolerance);
    }
  }
}

TYPED_TEST(RowAlignment, OfTheJacobian) {
  using T = TypeParam;
  constexpr std::int64_t kWidth = 16 / sizeof(T);
  for (const std::int64_t cols : {8, 72}) {
    const auto y = random_numbers<T>(3 * cols, 3, 1);
    this->expect_same_for_every_operand(
        "softmax_jacobian", {{"y", kWidth}, {"jacobian", kWidth}},
        [&](const std::vector<Alignment::Shift>& s) {
          const Placed<T> in(s[0].of(3), cols, y), out(s[1].of(3 * cols), cols);
          softmax_jacobian<T>(in.const_view(), out.view(), nullptr);
          return this->joined(out.values());
        },
        0);
  }
}

TYPED_TEST(RowAlignment, OfCrossEntropyAndArgmax) {
  using T = TypeParam;
  constexpr std::int64_t kWidth = 16 / sizeof(T);
  for (const std::int64_t cols : columns<T>()) {
    const std::int64_t rows = cols < 100 ? 3 : 1;
    const auto x = random_numbers<T>(rows * cols, 5, 1);
    const auto weights = random_numbers<float>(cols, 6, 0.1, 1);
    std::vector<std::int32_t> targets{1, 0, static_cast<std::int32_t>(cols - 1)};
    targets.resize(static_cast<std::size_t>(rows));
    std::vector<Alignment::Operand> operands{{"logits", kWidth}, {"dlogits", kWidth}};
    if (cols < 100)
      for (const char* name : {"targets", "losses", "class_weights"}) operands.push_back({name, 4, false});
    for (const bool weighted : {false, true}) {
      if (weighted && cols > 100) continue;
      this->expect_same_for_every_operand(
          "softmax_cross_entropy of " + std::to_string(cols), operands,
          [&](const std::vector<Alignment::Shift>& s) {
            const auto shift = [&](std::size_t i) { return i < s.size() ? s[i] : Alignment::Shift{}; };
            const Placed<T> logits(s[0].of(rows), cols, x), dlogits(s[1].of(rows), cols);
            const Placed<float> losses(shift(3).of(1), rows), class_weights(shift(4).of(1), cols, weights);
            std::vector<std::int32_t> shifted(static_cast<std::size_t>(shift(2).offset));
            shifted.insert(shifted.end(), targets.begin(), targets.end());
            const DeviceArray<std::int32_t> target_memory(shifted);
            const DeviceArray<CrossEntropySums> sums(std::vector{CrossEntropySums{}});
            const DeviceArray<float> weight(std::vector{3.0f});
            const std::size_t bytes = cross_entropy_workspace_bytes(rows, cols, sizeof(T));
            const DeviceArray<char> workspace(std::vector<char>(bytes, 0));
            softmax_cross_entropy<T>(
                logits.const_view(), target_memory.data() + shift(2).offset,
                {.class_weights = weighted ? class_weights.view().data : nullptr, .label_smoothing = 0.1f},
                weight.data(), losses.view().data, dlogits.view(), sums.data(), {workspace.data(), bytes},
                nullptr);
            return this->joined(dlogits.values(), losses.values());
          },
          kSmall<T> ? 0.01 : 1e-5);
    }
    this->expect_same_for_every_operand(
        "argmax of " + std::to_string(cols), {{"x", kWidth}, {"best", 4, false}},
        [&](const std::vector<Alignment::Shift>& s) {
          const Placed<T> in(s[0].of(rows), cols, x);
          const DeviceArray<std::int32_t> best(rows + s[1].offset);
          argmax<T>(in.const_view(), best.data() + s[1].offset, nullptr, nullptr, nullptr);
          const auto all = best.download();
          return std::vector<double>(all.begin() + s[1].offset, all.end());
        },
        0);
  }
}

TEST_F(Alignment, OfBiasAndActivation) {
  constexpr std::int64_t kRows = 35, kColumns = 132;
  const auto z = random_numbers<float>(kRows * kColumns, 1, 1), bias = random_numbers<float>(kColumns, 2, 1),
             g = random_numbers<float>(kRows * kColumns, 3, 1);
  for (const Activation kind : {Activation::identity, Activation::relu, Activation::gelu, Activation::tanh}) {
    expect_same_for_every_operand(
        "bias_activation", {{"z", 4}, {"bias", 4, false}, {"sums", 4}, {"y", 4}},
        [&](const std::vector<Shift>& s) {
          const Placed<float> from(s[0].of(kRows), kColumns, z), b(s[1].of(1), kColumns, bias),
              sums(s[2].of(kRows), kColumns), y(s[3].of(kRows), kColumns);
          bias_activation(kind, from.const_view(), b.view().data, sums.view(), y.view(), nullptr);
          return joined(sums.values(), y.values());
        },
        0);
    expect_same_for_every_operand(
        "bias_activation_backward", {{"z", 4}, {"y", 4}, {"dy", 4}, {"dz", 4}, {"db", 4, false}},
        [&](const std::vector<Shift>& s) {
          const Placed<float> at_z(s[0].of(kRows), kColumns, z), at_y(s[1].of(kRows), kColumns, z),
              dy(s[2].of(kRows), kColumns, g), dz(s[3].of(kRows), kColumns), db(s[4].of(1), kColumns);
          bias_activation_backward(kind, at_z.const_view(), at_y.const_view(), dy.const_view(), dz.view(),
                                   db.view().data, nullptr);
          return joined(dz.values(), db.values());
        },
        0);
  }
}

TEST_F(Alignment, OfDropout) {
  constexpr std::int64_t kSize = 2052;
  const auto x = random_numbers<float>(kSize, 1, 1);
  const DeviceArray<TrainingState> state(std::vector{TrainingState{.seed = 7, .step = 11}});
  expect_same_for_every_operand(
      "dropout", {{"x", 4, false}, {"y", 4, false}},
      [&](const std::vector<Shift>& s) {
        const Placed<float> from(s[0].of(1), kSize, x), to(s[1].of(1), kSize);
        dropout(from.const_view(), 0.3f, 2, state.data(), to.view(), 0, nullptr);
        return joined(to.values());
      },
      0);
}

TEST_F(Alignment, OfTheGather) {
  constexpr std::int64_t kCount = 9, kPixels = 784, kRows = 4;
  std::vector<std::uint8_t> images(kCount * kPixels), labels(kCount);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i * 7);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint8_t>(i);
  const DeviceArray<TrainingState> state(std::vector{TrainingState{.position = 2}});
  // `values` behind so many others.
  const auto shifted = [](const auto& values, std::int64_t offset) {
    auto all = values;
    all.insert(all.begin(), static_cast<std::size_t>(offset), values[0]);
    return all;
  };
  const std::vector<std::int32_t> order{3, 1, 8, 0, 7, 2, 4, 5, 6};
  const std::vector<float> floats(images.begin(), images.end());
  const auto gathers = [&](const std::vector<Shift>& s, const auto& gather, bool of_floats = false) {
    const DeviceArray<float> value_memory(shifted(floats, s[0].offset));
    const DeviceArray<std::uint8_t> image_memory(shifted(images, s[0].offset)),
        label_memory(shifted(labels, s[1].offset));
    const DeviceArray<std::int32_t> order_memory(shifted(order, s[2].offset)), targets(kRows + s[4].offset);
    const Placed<float> batch(s[3].of(kRows), kPixels);
    const DatasetView data{image_memory.data() + s[0].offset,
                           label_memory.data() + s[1].offset,
                           kCount,
                           kPixels,
                           1.0f / 255,
                           28,
                           of_floats ? value_memory.data() + s[0].offset : nullptr};
    gather(data, order_memory.data() + s[2].offset, batch.view(), targets.data() + s[4].offset);
    auto result = joined(batch.values());
    const auto found = targets.download();
    result.insert(result.end(), found.begin() + s[4].offset, found.end());
    return result;
  };
  const std::vector<Operand> operands{
      {"images", 4, false}, {"labels", 4, false}, {"order", 4, false}, {"batch", 4}, {"targets", 4, false}};
  expect_same_for_every_operand(
      "gather_batch", operands,
      [&](const std::vector<Shift>& s) {
        return gathers(s, [&](const auto& data, const auto* order_on, auto batch, auto* targets) {
          gather_batch(data, order_on, state.data(), batch, targets, nullptr);
        });
      },
      0);
  expect_same_for_every_operand(
      "gather_batch of floats", operands,
      [&](const std::vector<Shift>& s) {
        return gathers(
            s,
            [&](const auto& data, const auto* order_on, auto batch, auto* targets) {
              gather_batch(data, order_on, state.data(), batch, targets, nullptr);
            },
            /*of_floats=*/true);
      },
      0);
  expect_same_for_every_operand(
      "augment_batch", operands,
      [&](const std::vector<Shift>& s) {
        return gathers(s, [&](const auto& data, const auto* order_on, auto batch, auto* targets) {
          augment_batch(data, order_on, state.data(), {.degrees = {-15, 15}, .alpha = 37}, batch, targets,
                        nullptr);
        });
      },
      0);
}

TEST_F(Alignment, OfTheOptimizers) {
  constexpr std::int64_t kSize = 2052;
  const Schedule schedule{.kind = ScheduleKind::constant, .rate = 0.1, .steps = 10};
  std::vector<std::vector<float>> buffers;
  for (unsigned i = 0; i < 4; ++i) {
    buffers.push_back(random_numbers<float>(kSize, i, 1));
    for (float& v : buffers.back()) v = std::abs(v);
  }
  for (const bool adamw : {false, true})
    expect_same_for_every_operand(
        adamw ? "adamw_step" : "sgd_step",
        {{"values", 4, false},
         {"gradients", 4, false},
         {"first_moment", 4, false},
         {"second_moment", 4, false}},
        [&](const std::vector<Shift>& s) {
          const Placed<float> values(s[0].of(1), kSize, buffers[0]), gradients(s[1].of(1), kSize, buffers[1]),
              first(s[2].of(1), kSize, buffers[2]), second(s[3].of(1), kSize, buffers[3]);
          const DeviceArray<TrainingState> state(std::vector{TrainingState{.step = 1}});
          const ParameterBuffers parameters{.values = values.view().data,
                                            .gradients = gradients.view().data,
                                            .first_moment = first.view().data,
                                            .second_moment = second.view().data,
                                            .size = kSize,
                                            .decayed = kSize / 2};
          if (adamw)
            adamw_step(parameters, {.weight_decay = 0.1f}, schedule, state.data(), 1, nullptr);
          else
            sgd_step(parameters, {.momentum = 0.9f, .weight_decay = 0.1f}, schedule, state.data(), 1,
                     nullptr);
          return joined(values.values(), first.values(), second.values());
        },
        0);
}

TEST_F(Alignment, OfWhatFollowsAnOptimizer) {
  constexpr std::int64_t kSize = 2052, kRows = 3, kCols = 684;
  const auto values = random_numbers<float>(kSize, 1, 1), averages = random_numbers<float>(kSize, 2, 1);
  const DeviceArray<TrainingState> state(std::vector{TrainingState{.step = 3}});
  expect_same_for_every_operand(
      "average_parameters", {{"values", 4, false}, {"average", 4, false}},
      [&](const std::vector<Shift>& s) {
        const Placed<float> newest(s[0].of(1), kSize, values), average(s[1].of(1), kSize, averages);
        average_parameters(newest.view().data, average.view().data, kSize, 0.9f, state.data(), nullptr);
        return joined(average.values());
      },
      0);
  expect_same_for_every_operand(
      "add", {{"from", 4, false}, {"to", 4, false}},
      [&](const std::vector<Shift>& s) {
        const Placed<float> from(s[0].of(1), kSize, values), to(s[1].of(1), kSize, averages);
        add(from.view().data, to.view().data, kSize, nullptr);
        return joined(to.values());
      },
      0);
  // Other accesses sum the squares in another order.
  expect_same_for_every_operand(
      "renorm_rows", {{"x", 4}},
      [&](const std::vector<Shift>& s) {
        const Placed<float> x(s[0].of(kRows), kCols, values);
        renorm_rows(x.view(), 2, nullptr);
        return joined(x.values());
      },
      4e-7);
}

}  // namespace
}  // namespace softwarp
