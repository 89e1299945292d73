// The C interface answers calls that break its rules, and failures of a device, with a status and one line.

#include <gtest/gtest.h>
#include <softwarp/softwarp.h>

#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "simulator/simulator.h"

namespace softwarp {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

// A call of softwarp_softmax that is in order until somebody changes it.
struct Call {
  softwarp_device device = SOFTWARP_CPU;
  softwarp_dtype dtype = SOFTWARP_FLOAT32;
  std::int64_t rows = 2, cols = 4;
  const void* x = values;
  std::int64_t x_stride = 4;
  void* y = results;
  std::int64_t y_stride = 4;
  void* workspace = nullptr;

  softwarp_status run() const {
    return softwarp_softmax(device, dtype, rows, cols, x, x_stride, y, y_stride, workspace,
                            SOFTWARP_SPLIT_ROW_WORKSPACE_BYTES, nullptr);
  }
  static inline float values[8] = {}, results[8] = {};
};

void expect_refusal(softwarp_status found, softwarp_status expected, const std::string& text) {
  EXPECT_EQ(found, expected);
  EXPECT_EQ(softwarp_last_error(), text);
}

void expect_invalid(const Call& call, const std::string& text) {
  Call::results[0] = 42;
  expect_refusal(call.run(), SOFTWARP_INVALID_ARGUMENT, "softwarp_softmax: expected " + text);
  EXPECT_EQ(Call::results[0], 42) << "computed all the same: " << text;
}

TEST(CRefusals, NameWhatWasExpected) {
  ASSERT_EQ(Call{}.run(), SOFTWARP_SUCCESS) << softwarp_last_error();
  expect_invalid({.device = 2}, "device SOFTWARP_CPU or SOFTWARP_CUDA, found 2");
  expect_invalid({.dtype = -1}, "a dtype of softwarp.h, found -1");
  expect_invalid({.rows = -1}, "rows of at least 0, found -1");
  expect_invalid({.cols = 0}, "cols of at least 1, found 0");
  expect_invalid({.x_stride = 3}, "x_stride of at least 4, found 3");
  expect_invalid({.y_stride = -4}, "y_stride of at least 4, found -4");
  expect_invalid({.rows = kMost}, "x of less than 2^63 bytes");
  expect_invalid({.x = nullptr}, "x, found NULL");
  expect_invalid({.y = nullptr}, "y, found NULL");
  expect_invalid({.x = reinterpret_cast<const char*>(Call::values) + 1}, "x aligned to 4 bytes");
  expect_invalid({.rows = 1, .x = Call::results, .x_stride = 5}, "one stride of matrices in one memory");
  const std::string apart = "a result in the input's memory, or in memory that no input shares";
  expect_invalid({.rows = 1, .x = Call::results + 1}, apart);
  expect_invalid({.rows = 1, .x = Call::results + 3}, apart);
  expect_invalid({.x = Call::results + 4}, apart);  // its first row is the result's second
  expect_invalid({.cols = 2, .x = Call::results + 3},
                 apart);  // the end of one row is the next one's beginning
  EXPECT_EQ((Call{.rows = 1, .x = Call::results + 4}.run()), SOFTWARP_SUCCESS);
  EXPECT_EQ((Call{.cols = 2, .x = Call::results + 2}.run()), SOFTWARP_SUCCESS);  // side by side
  expect_invalid({.workspace = reinterpret_cast<char*>(8)}, "workspace aligned to 16 bytes");
}

TEST(CRefusals, BackwardChecksEachMatrix) {
  const auto run = [](const void* y, const void* dy, void* dx) {
    return softwarp_softmax_backward(SOFTWARP_CPU, SOFTWARP_FLOAT32, 2, 4, y, 4, dy, 4, dx, 4, nullptr, 0,
                                     nullptr);
  };
  const std::string name = "softwarp_softmax_backward: expected ";
  expect_refusal(run(nullptr, Call::values, Call::results), SOFTWARP_INVALID_ARGUMENT,
                 name + "y, found NULL");
  expect_refusal(run(Call::values, nullptr, Call::results), SOFTWARP_INVALID_ARGUMENT,
                 name + "dy, found NULL");
  expect_refusal(run(Call::values, Call::values, nullptr), SOFTWARP_INVALID_ARGUMENT,
                 name + "dx, found NULL");
}

TEST(CRefusals, OfMatricesThatOverlapInAnyOp) {
  static float shared[16] = {}, apart[8] = {};
  float* const results = shared + 4;
  const std::string expected = "a result in the input's memory, or in memory that no input shares";
  const auto two = [&](const std::string& name, auto op, const float* x) {
    expect_refusal(op(SOFTWARP_CPU, SOFTWARP_FLOAT32, 2, 4, x, 4, results, 4, nullptr, 0, nullptr),
                   SOFTWARP_INVALID_ARGUMENT, name + ": expected " + expected);
  };
  const auto three = [&](const std::string& name, auto op, const float* y, const float* dy) {
    expect_refusal(op(SOFTWARP_CPU, SOFTWARP_FLOAT32, 2, 4, y, 4, dy, 4, results, 4, nullptr, 0, nullptr),
                   SOFTWARP_INVALID_ARGUMENT, name + ": expected " + expected);
  };
  const std::int32_t targets[2] = {0, 3};
  softwarp_cross_entropy_sums sums{};
  for (const float* x : {results - 1, results + 1, results + 7, results - 4}) {
    two("softwarp_softmax", softwarp_softmax, x);
    two("softwarp_log_softmax", softwarp_log_softmax, x);
    three("softwarp_softmax_backward", softwarp_softmax_backward, x, apart);
    three("softwarp_softmax_backward", softwarp_softmax_backward, apart, x);
    three("softwarp_log_softmax_backward", softwarp_log_softmax_backward, apart, x);
    expect_refusal(softwarp_softmax_cross_entropy(SOFTWARP_CPU, SOFTWARP_FLOAT32, 2, 4, x, 4, targets,
                                                  nullptr, nullptr, results, 4, &sums, nullptr, 0, nullptr),
                   SOFTWARP_INVALID_ARGUMENT, "softwarp_softmax_cross_entropy: expected " + expected);
  }
}

TEST(CRefusals, TheJacobianHasItsOwnMemory) {
  expect_refusal(softwarp_softmax_jacobian(SOFTWARP_CPU, SOFTWARP_FLOAT32, 1, 2, Call::values, 2,
                                           Call::values, 2, nullptr),
                 SOFTWARP_INVALID_ARGUMENT,
                 "softwarp_softmax_jacobian: expected a Jacobian in memory of its own");
  expect_refusal(softwarp_softmax_jacobian(SOFTWARP_CPU, SOFTWARP_FLOAT32, kMost / 8, 2, Call::values, 2,
                                           Call::results, 2, nullptr),
                 SOFTWARP_INVALID_ARGUMENT,
                 "softwarp_softmax_jacobian: expected jacobian of less than 2^63 bytes");
}

softwarp_status cross_entropy(softwarp_device device, const softwarp_cross_entropy_options* options,
                              softwarp_cross_entropy_sums* sums, const std::int32_t* targets,
                              softwarp_dtype dtype = SOFTWARP_FLOAT32) {
  return softwarp_softmax_cross_entropy(device, dtype, 2, 4, Call::values, 4, targets, options, nullptr,
                                        Call::results, 4, sums, nullptr, 0, nullptr);
}

TEST(CRefusals, OfCrossEntropy) {
  const std::string name = "softwarp_softmax_cross_entropy: expected ";
  softwarp_cross_entropy_options options = SOFTWARP_CROSS_ENTROPY_DEFAULTS;
  softwarp_cross_entropy_sums sums{};
  const std::int32_t targets[2] = {0, 3};
  ASSERT_EQ(cross_entropy(SOFTWARP_CPU, &options, &sums, targets), SOFTWARP_SUCCESS) << softwarp_last_error();
  ASSERT_EQ(cross_entropy(SOFTWARP_CPU, nullptr, &sums, targets), SOFTWARP_SUCCESS) << softwarp_last_error();
  EXPECT_EQ(sums.rows, 4);
  expect_refusal(cross_entropy(SOFTWARP_CPU, nullptr, nullptr, targets), SOFTWARP_INVALID_ARGUMENT,
                 name + "sums, found NULL");
  expect_refusal(cross_entropy(SOFTWARP_CPU, nullptr, &sums, nullptr), SOFTWARP_INVALID_ARGUMENT,
                 name + "targets, found NULL");
  for (const float smoothing : {-0.1f, 1.1f, kNan}) {
    options.label_smoothing = smoothing;
    expect_refusal(cross_entropy(SOFTWARP_CPU, &options, &sums, targets), SOFTWARP_INVALID_ARGUMENT,
                   name + "label_smoothing in [0, 1]");
  }
  std::size_t bytes = 0;
  ASSERT_EQ(softwarp_cross_entropy_workspace_bytes(SOFTWARP_CUDA, SOFTWARP_FLOAT32, 2, 4, &bytes),
            SOFTWARP_SUCCESS);
  expect_refusal(cross_entropy(SOFTWARP_CUDA, nullptr, &sums, targets), SOFTWARP_INVALID_ARGUMENT,
                 name + std::to_string(bytes) + " bytes of workspace, found 0");
  EXPECT_EQ(sums.rows, 4);
}

TEST(CRefusals, OfWhatADeviceHasNot) {
  softwarp_cross_entropy_sums sums{};
  const std::int32_t targets[2] = {0, 3};
  static double logits[8];
  expect_refusal(softwarp_softmax_cross_entropy(SOFTWARP_CPU, SOFTWARP_FLOAT64, 2, 4, logits, 4, targets,
                                                nullptr, nullptr, nullptr, 4, &sums, nullptr, 0, nullptr),
                 SOFTWARP_UNSUPPORTED,
                 "softwarp_softmax_cross_entropy: on the CPU, dtype must be SOFTWARP_FLOAT32 "
                 "(softwarp_cross_entropy takes all)");
  const std::int64_t wide[2] = {0, 3};
  float loss = 0;
  expect_refusal(softwarp_cross_entropy(SOFTWARP_CUDA, SOFTWARP_FLOAT32, 2, 4, Call::values, 4, wide, nullptr,
                                        &loss, nullptr, 4, nullptr),
                 SOFTWARP_UNSUPPORTED,
                 "softwarp_cross_entropy: on a CUDA device there is softwarp_softmax_cross_entropy");
}

TEST(CRefusals, NoRowsAreNoWork) {
  for (const softwarp_device device : {SOFTWARP_CPU, SOFTWARP_CUDA}) {
    const Call none{.device = device, .rows = 0, .x = nullptr, .y = nullptr};
    EXPECT_EQ(none.run(), SOFTWARP_SUCCESS) << softwarp_last_error();
  }
}

TEST(CRefusals, ADeviceThatSaysNoIsAStatus) {
  simulator::reset();
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, 32), cudaSuccess);
  const Call call{.device = SOFTWARP_CUDA, .x = memory, .y = memory};
  ASSERT_EQ(call.run(), SOFTWARP_SUCCESS) << softwarp_last_error();
  simulator::inject({.call = 0});
  EXPECT_EQ(call.run(), SOFTWARP_DEVICE_ERROR);
  EXPECT_NE(std::string(softwarp_last_error()).find("CUDA says cudaErrorMemoryAllocation"), std::string::npos)
      << softwarp_last_error();
  EXPECT_EQ(call.run(), SOFTWARP_SUCCESS);
  EXPECT_STREQ(softwarp_last_error(), "");
  ASSERT_EQ(cudaFree(memory), cudaSuccess);
}

TEST(CRefusals, BelongToTheirThread) {
  ASSERT_EQ((Call{.cols = 0}.run()), SOFTWARP_INVALID_ARGUMENT);
  std::thread([] {
    EXPECT_STREQ(softwarp_last_error(), "");
    EXPECT_EQ(Call{}.run(), SOFTWARP_SUCCESS);
  }).join();
  EXPECT_STRNE(softwarp_last_error(), "");
}

TEST(CStatus, HasAName) {
  EXPECT_STREQ(softwarp_status_name(SOFTWARP_SUCCESS), "success");
  EXPECT_STREQ(softwarp_status_name(SOFTWARP_INVALID_ARGUMENT), "invalid argument");
  EXPECT_STREQ(softwarp_status_name(SOFTWARP_UNSUPPORTED), "unsupported");
  EXPECT_STREQ(softwarp_status_name(SOFTWARP_DEVICE_ERROR), "device error");
  EXPECT_STREQ(softwarp_status_name(SOFTWARP_OUT_OF_MEMORY), "out of memory");
  EXPECT_STREQ(softwarp_status_name(SOFTWARP_INTERNAL_ERROR), "internal error");
  EXPECT_STREQ(softwarp_status_name(99), "unknown status");
  EXPECT_STREQ(softwarp_version(), SOFTWARP_VERSION);
}

}  // namespace
}  // namespace softwarp
