// The simulator's counters bound the cost of kernels: bytes and sectors of global memory, exponentials, calls
// of the runtime. A kernel must at least read each input once and write each output once.

#include <gtest/gtest.h>
#include <softwarp/softmax.h>
#include <softwarp/softmax_axis.h>

#include <functional>
#include <optional>

#include "kernels/training_ops.h"
#include "simulator/simulator.h"
#include "tests/kernels/placed.h"
#include "tests/kernels/row_ops.h"

namespace softwarp {
namespace {

using simulator::Counters;

// The cost of `run` on the device.
Counters cost_of(const std::function<void()>& run) {
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);  // what was asked for before
  simulator::reset_counters();
  run();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return simulator::counters();
}

double bytes(const Counters& c) { return static_cast<double>(c.load_bytes + c.store_bytes); }
// The used share of the sectors that warps touched.
double sectors_used(const Counters& c) {
  return bytes(c) / (32.0 * static_cast<double>(c.load_sectors + c.store_sectors));
}

template <class T>
class RowCost : public KernelTest {};
using Types = testing::Types<double, float, float16, bfloat16>;
TYPED_TEST_SUITE(RowCost, Types);

// Double has no exponential of its own in hardware.
template <class T>
class RowExponentials : public KernelTest {};
using TypesOfTheHardware = testing::Types<float, float16, bfloat16>;
TYPED_TEST_SUITE(RowExponentials, TypesOfTheHardware);

// Rows of `kilobytes`, as elements of T.
template <class T>
std::int64_t cols_of(double kilobytes) {
  return static_cast<std::int64_t>(kilobytes * 1024) / static_cast<std::int64_t>(sizeof(T));
}

// Of a device so small that no row is worth splitting.
DeviceLimits limits_of(int major, int minor) {
  const simulator::Device device = simulator::device_of(major, minor);
  return {.multiprocessors = 1,
          .shared_bytes = device.shared_per_block_optin,
          .clusters = major >= 9,
          .programmatic_launch = major >= 9};
}

TYPED_TEST(RowCost, IsOneReadAndOneWriteUpToWhatAClusterHolds) {
  using T = TypeParam;
  const Assume assume(limits_of(9, 0));
  // Lanes, warps, blocks, clusters in registers; clusters in shared memory.
  for (const double kilobytes :
       {0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 32.0, 64.0, 128.0, 600.0, 800.0}) {
    const std::int64_t cols = cols_of<T>(kilobytes), rows = kilobytes < 8 ? 256 : kilobytes < 100 ? 8 : 1;
    RowOps<T> ops({rows, 0, 0}, cols);
    ops.each([&](const NamedRowOp& op, const std::function<void()>& run) {
      SCOPED_TRACE(testing::Message() << op.name << ", " << rows << " x " << cols);
      const Counters c = cost_of(run);
      const double floor = op.element_bytes * ops.elements() + op.row_bytes * ops.rows();
      EXPECT_GE(bytes(c), floor);
      EXPECT_LE(bytes(c), op.row_bytes == 0 ? floor : 1.02 * floor + 100);  // 100: the sums
      // Losses and the like are 4 bytes of a sector.
      if (op.row_bytes == 0 || kilobytes >= 4) {
        EXPECT_GE(sectors_used(c), 0.95);
      }
    });
  }
}

TYPED_TEST(RowCost, IsOneReadAndOneWriteUpToWhatABlocksSharedMemoryHolds) {
  using T = TypeParam;
  struct Fits {
    DeviceLimits limits;
    double kilobytes;  // what a block keeps of a row, of one input
  };
  for (const Fits& fits :
       {Fits{limits_of(7, 5), 56}, Fits{limits_of(8, 0), 160}, Fits{limits_of(8, 6), 96}}) {
    const Assume assume(fits.limits);
    const std::int64_t cols = cols_of<T>(fits.kilobytes);
    RowOps<T> ops({1, 0, 0}, cols);
    ops.each([&](const NamedRowOp& op, const std::function<void()>& run) {
      const bool two_inputs = std::string_view(op.name).ends_with("backward");
      if (two_inputs && cols > cols_of<T>(fits.kilobytes / 2)) return;
      SCOPED_TRACE(testing::Message() << op.name << ", " << cols);
      EXPECT_LE(bytes(cost_of(run)),
                1.02 * (op.element_bytes * ops.elements() + op.row_bytes * ops.rows()) + 200);
    });
  }
}

TYPED_TEST(RowCost, ReadsLongerRowsTwiceButForWhatIsKept) {
  using T = TypeParam;
  for (const DeviceLimits& limits : {limits_of(7, 5), limits_of(8, 0), limits_of(9, 0)}) {
    const Assume assume(limits);
    const std::int64_t cols = cols_of<T>(limits.clusters ? 2500 : 400);
    RowOps<T> ops({1, 0, 0}, cols);
    ops.each([&](const NamedRowOp& op, const std::function<void()>& run) {
      SCOPED_TRACE(testing::Message() << op.name << ", " << cols);
      const double s = sizeof(T),
                   inputs =
                       op.element_bytes == 3 * s && std::string_view(op.name).ends_with("backward") ? 2 : 1;
      const double kept =
          512.0 * 16 * (limits.clusters ? 8 : 1) *
          std::floor((static_cast<double>(limits.shared_bytes) - 2048) / (512 * 16 * inputs)) * inputs;
      const double once = op.element_bytes * ops.elements(), again = inputs * s * ops.elements() - kept;
      const bool writes = op.element_bytes > s;
      const double expected = once + (writes ? again : 0);
      EXPECT_NEAR(bytes(cost_of(run)), expected, 0.004 * expected + 200);
    });
  }
}

TYPED_TEST(RowCost, UsesTheSectorsItTouchesWhereverRowsBegin) {
  using T = TypeParam;
  for (const std::int64_t cols : {64, 65, 66, 100, 127, 129, 192, 257, 513, 760, 1001, 2049, 4097}) {
    for (const std::int64_t offset : {0, 1, 2, 5, 15}) {
      RowOps<T> ops({cols > 1001 ? 16 : 64, 0, offset}, cols);
      ops.each([&](const NamedRowOp& op, const std::function<void()>& run) {
        SCOPED_TRACE(testing::Message() << op.name << ", " << cols << " columns, offset " << offset);
        const Counters c = cost_of(run);
        if (op.row_bytes == 0 || cols > 1000) {
          EXPECT_GE(sectors_used(c), 0.8);
        }
        EXPECT_LE(bytes(c), 1.02 * (op.element_bytes * ops.elements() + op.row_bytes * ops.rows()) + 200);
      });
    }
  }
}

TYPED_TEST(RowExponentials, AreOneAnElementWhereRowsAreHeld) {
  using T = TypeParam;
  const Assume assume(limits_of(9, 0));
  for (const double kilobytes : {0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0}) {
    const std::int64_t cols = cols_of<T>(kilobytes), rows = kilobytes < 8 ? 16 : 2;
    RowOps<T> ops({rows, 0, 0}, cols);
    ops.each([&](const NamedRowOp& op, const std::function<void()>& run) {
      SCOPED_TRACE(testing::Message() << op.name << ", " << cols);
      const Counters c = cost_of(run);
      // Blocks and clusters join their warps' sums: one, or two, a thread, and one for those not at the
      // maximum.
      const double widest = kilobytes * (std::string_view(op.name).ends_with("to_float") ? 2 : 1);
      const double joins = widest <= 2 || op.exponentials == 0 ? 0 : 3;
      EXPECT_GE(static_cast<double>(c.exponentials), op.exponentials * ops.elements());
      EXPECT_LE(static_cast<double>(c.exponentials),
                op.exponentials * ops.elements() + joins * static_cast<double>(c.threads));
    });
  }
}

TYPED_TEST(RowExponentials, AreTwoAnElementWhereRowsAreStreamed) {
  using T = TypeParam;
  const Assume assume(limits_of(8, 0));
  const std::int64_t cols = cols_of<T>(512);
  RowOps<T> ops({1, 0, 0}, cols);
  ops.each([&](const NamedRowOp& op, const std::function<void()>& run) {
    SCOPED_TRACE(op.name);
    const double each = std::string_view(op.name).ends_with("backward") ||
                                std::string_view(op.name).ends_with("loss") ||
                                std::string_view(op.name).starts_with("log")
                            ? op.exponentials
                            : 2 * op.exponentials;
    // And one for each batch of four vectors.
    EXPECT_LE(static_cast<double>(cost_of(run).exponentials),
              (each + op.exponentials / 16) * ops.elements() + 2048);
  });
}

TYPED_TEST(RowCost, IsOneCallOfTheRuntime) {
  using T = TypeParam;
  for (const DeviceLimits& limits : {limits_of(8, 0), limits_of(9, 0)}) {
    const Assume assume(limits);
    for (const std::int64_t cols : {10, 100, 1000, 5000, 20000, 150000}) {
      RowOps<T> ops({1, 0, 0}, cols);
      ops.each([&](const NamedRowOp& op, const std::function<void()>& run) {
        SCOPED_TRACE(testing::Message() << op.name << ", " << cols);
        run();  // once before, for what is asked once
        simulator::reset_counters();
        run();
        // And, where rows are streamed, which device is current.
        EXPECT_EQ(simulator::host_counters().calls, 1 + simulator::calls("cudaGetDevice"));
        EXPECT_EQ(simulator::calls("cudaLaunchKernelExC"), 1);
      });
    }
  }
}

class Cost : public KernelTest {
 protected:
  // bytes equal the floor, or exceed it by at most 2 %.
  static void expect_floor(double floor, const std::function<void()>& run) {
    const Counters c = cost_of(run);
    EXPECT_GE(bytes(c), floor);
    EXPECT_LE(bytes(c), 1.02 * floor);
    EXPECT_GE(sectors_used(c), 0.95);
    simulator::reset_counters();
    run();
    EXPECT_EQ(simulator::host_counters().calls, 1);
  }
};

TEST_F(Cost, OfInnerAxesIsOneReadAndOneWrite) {
  for (const std::int64_t inner : {8, 64, 100})
    for (const std::int64_t cols : {1, 10, 64, 300, 1000}) {
      SCOPED_TRACE(testing::Message() << cols << " x " << inner);
      const DeviceArray<float> x(std::vector<float>(static_cast<std::size_t>(4 * cols * inner), 1.0f)),
          y(x.size());
      const AxisView<float> from{x.data(), 4, cols, inner}, to{y.data(), 4, cols, inner};
      const AxisView<const float> in{x.data(), 4, cols, inner}, gradient{y.data(), 4, cols, inner};
      const auto check = [&](double floor, const std::function<void()>& run) {
        const Counters c = cost_of(run);
        EXPECT_EQ(bytes(c), floor);
        // 400 bytes are 12.5 sectors: in columns of 32 bytes, half of them are split.
        EXPECT_GE(sectors_used(c), inner == 100 ? 0.65 : 0.95);
      };
      check(8.0 * static_cast<double>(x.size()), [&] { softmax<float>(in, to, nullptr); });
      check(12.0 * static_cast<double>(x.size()),
            [&] { softmax_backward<float>(in, gradient, from, nullptr); });
    }
}

TEST_F(Cost, OfLayersIsTheirFloor) {
  const std::int64_t rows = 128, cols = 512;
  const double n = static_cast<double>(rows * cols);
  const Placed<float> x({rows, 0, 0}, cols), y({rows, 0, 0}, cols);
  const DeviceArray<float> b(std::vector<float>(static_cast<std::size_t>(cols), 1.0f));
  const DeviceArray<TrainingState> state(std::vector<TrainingState>(1));
  expect_floor(8 * n + 4 * cols,
               [&] { bias_activation(Activation::relu, x.const_view(), b.data(), {}, y.view(), nullptr); });
  expect_floor(12 * n + 4 * cols, [&] {
    bias_activation_backward(Activation::relu, {}, x.const_view(), y.const_view(), y.view(), b.data(),
                             nullptr);
  });
  expect_floor(8 * n, [&] { dropout(x.const_view(), 0.5f, 1, state.data(), y.view(), 0, nullptr); });
}

TEST_F(Cost, OfTheTrainingStepIsItsFloor) {
  const std::int64_t size = 100000;
  const DeviceArray<float> p(std::vector<float>(size, 0.1f)), g(p.download()), m(p.download()),
      v(p.download());
  const DeviceArray<TrainingState> state(std::vector<TrainingState>(1));
  const ParameterBuffers buffers{p.data(), g.data(), m.data(), v.data(), size, size};
  expect_floor(3 * 4.0 * size, [&] { sgd_step(buffers, {}, {}, state.data(), 1, nullptr); });
  expect_floor(5 * 4.0 * size, [&] { sgd_step(buffers, {.momentum = 0.9f}, {}, state.data(), 1, nullptr); });
  expect_floor(7 * 4.0 * size, [&] { adamw_step(buffers, {}, {}, state.data(), 1, nullptr); });
  expect_floor(3 * 4.0 * size,
               [&] { average_parameters(p.data(), g.data(), size, 0.9f, state.data(), nullptr); });
  expect_floor(3 * 4.0 * size, [&] { add(p.data(), g.data(), size, nullptr); });
  // Rows within the limit are read; the others are read once more, and written.
  const Placed<float> within({100, 0, 0}, 1000, std::vector<float>(size, 0.1f));
  expect_floor(4.0 * size, [&] { renorm_rows(within.view(), 4, nullptr); });
  const Placed<float> beyond({100, 0, 0}, 1000, std::vector<float>(size, 0.1f));
  EXPECT_NEAR(bytes(cost_of([&] { renorm_rows(beyond.view(), 1, nullptr); })), 12.0 * size, 0.02 * 12 * size);

  const DeviceArray<std::uint8_t> images(std::vector<std::uint8_t>(200 * 784)),
      labels(std::vector<std::uint8_t>(200));
  const DeviceArray<std::int32_t> order(std::vector<std::int32_t>(200)), targets(128);
  const DeviceArray<TrainingState> start(std::vector<TrainingState>(1));
  const Placed<float> batch({128, 0, 0}, 784);
  // A pixel, a float; an index, a label, a target.
  expect_floor(128 * (5.0 * 784 + 9), [&] {
    gather_batch({images.data(), labels.data(), 200, 784}, order.data(), start.data(), batch.view(),
                 targets.data(), nullptr);
  });
  // Deformed, too.
  expect_floor(128 * (5.0 * 784 + 9), [&] {
    augment_batch({images.data(), labels.data(), 200, 784, 1, 28}, order.data(), start.data(),
                  {.degrees = {-15, 15}, .alpha = 37}, batch.view(), targets.data(), nullptr);
  });
}

TEST_F(Cost, OfTheJacobianIsWritingIt) {
  for (const std::int64_t cols : {10, 64, 128}) {
    SCOPED_TRACE(cols);
    const Placed<float> y({64, 0, 0}, cols), jacobian({64 * cols, 0, 0}, cols);
    expect_floor(4.0 * 64 * static_cast<double>(cols * cols + cols),
                 [&] { softmax_jacobian<float>(y.view(), jacobian.view(), nullptr); });
  }
}

}  // namespace
}  // namespace softwarp
