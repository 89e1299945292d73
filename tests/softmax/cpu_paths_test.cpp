// The CPU takes other paths by size: rows of few vectors in registers, threads from some size on, results
// beyond the caches stored past them, long rows in parts that threads share. Each path is entered with all
// operands aligned, and with each by itself off alignment or at an odd stride: the same bits, but for
// cross-entropy, where the compiler may fuse a product and a sum in one path and not in the other.

#include <gtest/gtest.h>
#include <softwarp/backend.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>

#include "tests/backends.h"
#include "tests/softmax/instructions.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using Floats = std::vector<float>;

struct Size {
  std::int64_t rows, cols;
};
// In floats, for vectors of 4 to 16.
constexpr Size kSizes[] = {{1, 1},       {7, 10},      {3, 100},  // registers, one thread
                           {1639, 10},   {200, 128},              // threads
                           {40, 999},    {300, 200},              // rows in vectors
                           {20000, 200}, {3000, 1000},            // 16 and 12 MB: stored past the caches
                           {9, 70001},   {1, 131080}};            // parts; parts that threads share

struct Shift {
  std::int64_t offset = 0, gap = 0;
};

class CpuPaths : public testing::TestWithParam<int> {
 protected:
  // A matrix off alignment by some floats, its rows apart by some more.
  struct Operand {
    Operand(Backend& backend, const Size& s, const Shift& at)
        : size(s), shift(at), memory(backend.make_array<float>(at.offset + s.rows * (s.cols + at.gap))) {}
    Operand(Backend& backend, const Size& s, const Shift& at, const Floats& values)
        : Operand(backend, s, at) {
      for (std::int64_t r = 0; r < s.rows; ++r)
        std::memcpy(view().row(r), values.data() + r * s.cols,
                    static_cast<std::size_t>(s.cols) * sizeof(float));
    }
    MatrixView<float> view() const {
      return {memory.data() + shift.offset, size.rows, size.cols, size.cols + shift.gap};
    }
    void append_to(Floats& all) const {
      for (std::int64_t r = 0; r < size.rows; ++r)
        all.insert(all.end(), view().row(r), view().row(r) + size.cols);
    }
    Size size;
    Shift shift;
    Array<float> memory;
  };

  using Run = std::function<Floats(const std::vector<Shift>&)>;
  static void expect_same(const std::string& op, std::size_t operands, bool strided, const Run& run,
                          float tolerance = 0) {
    const Floats expected = run(std::vector<Shift>(operands));
    const float scale = 1 / static_cast<float>(expected.size());  // of a mean's gradient
    for (std::size_t which = 0; which < operands; ++which)
      for (const Shift& shift : {Shift{1, 0}, Shift{3, 0}, Shift{0, 1}, Shift{2, 3}}) {
        if (!strided && shift.gap > 0) continue;
        std::vector<Shift> shifts(operands);
        shifts[which] = shift;
        const Floats found = run(shifts);
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t i = 0; i < found.size(); ++i)
          ASSERT_NEAR(found[i], expected[i], tolerance * (std::abs(expected[i]) + scale))
              << op << ", operand " << which << " off by " << shift.offset << ", rows apart by " << shift.gap;
      }
  }
};

TEST_P(CpuPaths, OfOpsOnRowsGiveTheSameAtAnyPlace) {
  const auto backend = make_cpu_backend(GetParam());
  for (const Size& s : kSizes) {
    SCOPED_TRACE(std::to_string(s.rows) + " x " + std::to_string(s.cols));
    const auto count = static_cast<std::size_t>(s.rows * s.cols);
    const bool large = count > 1'000'000;
    const Floats x = reference::random_floats(count, 1), g = reference::random_floats(count, 2);
    const auto forward = [&](auto op) {
      return [&, op](const std::vector<Shift>& shifts) {
        const Operand in(*backend, s, shifts[0], x), out(*backend, s, shifts[1]);
        op(in.view(), out.view());
        Floats result;
        out.append_to(result);
        return result;
      };
    };
    const auto backward = [&](auto op) {
      return [&, op](const std::vector<Shift>& shifts) {
        const Operand y(*backend, s, shifts[0], x), dy(*backend, s, shifts[1], g), dx(*backend, s, shifts[2]);
        op(y.view(), dy.view(), dx.view());
        Floats result;
        dx.append_to(result);
        return result;
      };
    };
    if (!large || s.rows == 20000) {
      expect_same("softmax", 2, true, forward([&](auto in, auto out) { backend->softmax(in, out); }));
      expect_same("softmax_backward", 3, true,
                  backward([&](auto y, auto dy, auto dx) { backend->softmax_backward(y, dy, dx); }));
    }
    if (!large || s.rows == 3000) {
      expect_same("log_softmax", 2, true, forward([&](auto in, auto out) { backend->log_softmax(in, out); }));
      expect_same("log_softmax_backward", 3, true,
                  backward([&](auto y, auto dy, auto dx) { backend->log_softmax_backward(y, dy, dx); }));
    }
    if (large) continue;
    const std::vector<std::int32_t> targets(static_cast<std::size_t>(s.rows));
    for (const float smoothing : {0.0f, 0.1f})
      expect_same(
          "softmax_cross_entropy", 2, true,
          [&](const std::vector<Shift>& shifts) {
            const Operand in(*backend, s, shifts[0], x), out(*backend, s, shifts[1]);
            Floats losses(targets.size());
            CrossEntropySums sums;
            backend->softmax_cross_entropy(in.view(), targets.data(), {.label_smoothing = smoothing},
                                           losses.data(), out.view(), &sums);
            losses.push_back(static_cast<float>(sums.loss));
            out.append_to(losses);
            return losses;
          },
          0x1p-21f);
    for (const Activation kind :
         {Activation::relu, Activation::gelu, Activation::tanh, Activation::sigmoid}) {
      expect_same("activation", 2, true,
                  forward([&](auto in, auto out) { backend->activation(kind, in, out); }));
      expect_same("activation_backward", 3, true, backward([&](auto y, auto dy, auto dx) {
                    backend->activation_backward(kind, y, y, dy, dx);
                  }));
    }
  }
}

TEST_P(CpuPaths, OfPackedOpsGiveTheSameAtAnyPlace) {
  const auto backend = make_cpu_backend(GetParam());
  const TrainingState state{.seed = 3, .step = 5};
  for (const std::int64_t size : {1, 9, 4096, 4097, 16384, 40001}) {
    SCOPED_TRACE(size);
    const Size s{1, size};
    const auto count = static_cast<std::size_t>(size);
    std::vector<Floats> values;
    for (unsigned i = 0; i < 4; ++i) {
      values.push_back(reference::random_floats(count, i));
      for (float& v : values.back()) v = std::abs(v);
    }
    expect_same("dropout", 2, false, [&](const std::vector<Shift>& shifts) {
      const Operand in(*backend, s, shifts[0], values[0]), out(*backend, s, shifts[1]);
      backend->dropout(in.view(), 0.3f, 1, &state, out.view());
      Floats result;
      out.append_to(result);
      return result;
    });
    for (const bool adamw : {false, true})
      expect_same(adamw ? "adamw_step" : "sgd_step", 4, false, [&](const std::vector<Shift>& shifts) {
        std::vector<Operand> o;
        for (std::size_t i = 0; i < 4; ++i) o.emplace_back(*backend, s, shifts[i], values[i]);
        TrainingState moved;
        const ParameterBuffers buffers{.values = o[0].view().data,
                                       .gradients = o[1].view().data,
                                       .first_moment = o[2].view().data,
                                       .second_moment = o[3].view().data,
                                       .size = size,
                                       .decayed = size / 2};
        const Schedule schedule{.kind = ScheduleKind::constant, .rate = 0.1, .steps = 10};
        if (adamw)
          backend->adamw_step(buffers, {.weight_decay = 0.1f}, schedule, &moved, 1);
        else
          backend->sgd_step(buffers, {.momentum = 0.9f, .weight_decay = 0.1f}, schedule, &moved, 1);
        Floats result;
        for (const Operand& each : o) each.append_to(result);
        return result;
      });
  }
}

// With each set of instructions; aligned, as in double.
TEST_P(CpuPaths, OfWhatFollowsAnOptimizerGiveTheSameAtAnyPlace) {
  const auto backend = make_cpu_backend(GetParam());
  const TrainingState state{.step = 2};
  const auto check = [&](const Size& s) {
    SCOPED_TRACE(std::to_string(s.rows) + " x " + std::to_string(s.cols));
    const auto count = static_cast<std::size_t>(s.rows * s.cols), cols = static_cast<std::size_t>(s.cols);
    const Floats x = reference::random_floats(count, 1), y = reference::random_floats(count, 2);
    const auto renorm = [&](const std::vector<Shift>& shifts) {
      const Operand rows(*backend, s, shifts[0], x);
      backend->renorm_rows(rows.view(), 0.5f);
      Floats result;
      rows.append_to(result);
      return result;
    };
    const Size flat{1, s.rows * s.cols};
    const auto average = [&](const std::vector<Shift>& shifts) {
      const Operand values(*backend, flat, shifts[0], x), averages(*backend, flat, shifts[1], y);
      backend->average_parameters(values.view().data, averages.view().data, flat.cols, 0.5f, &state);
      Floats result;
      averages.append_to(result);
      return result;
    };
    expect_same("renorm_rows", 1, true, renorm);
    expect_same("average_parameters", 2, false, average);
    const Floats limited = renorm({{}}), averaged = average({{}, {}});
    for (std::size_t i = 0; i < count; ++i) {
      double squares = 0;
      for (std::size_t j = i - i % cols; j < i - i % cols + cols; ++j) squares += double{x[j]} * double{x[j]};
      ASSERT_NEAR(limited[i], x[i] * std::min(1.0, 0.5 / std::sqrt(squares)), 1e-6) << i;
      ASSERT_NEAR(averaged[i], (2 * double{x[i]} + double{y[i]}) / 3, 1e-6) << i;
    }
  };
  for_instructions([&] {
    for (std::int64_t cols = 1; cols < 70; ++cols) check({2, cols});
    for (const Size& s : {Size{200, 128}, {40, 999}}) check(s);
  });
}

INSTANTIATE_TEST_SUITE_P(Threads, CpuPaths, testing::Values(1, 2));

}  // namespace
}  // namespace softwarp
