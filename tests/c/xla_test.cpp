// The handlers of XLA's custom calls, called as XLA calls them. tests/python/test_jax.py has XLA call them.

#include <gtest/gtest.h>
#include <softwarp/softwarp.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "host/c/xla.h"

namespace softwarp::xla {
namespace {

std::string message;
ErrorCode code;

Error* keep_error(ErrorArguments* error) {
  message = error->message;
  code = error->code;
  return reinterpret_cast<Error*>(&message);
}

template <class T>
struct Tensor {
  Tensor(DataType dtype, std::vector<std::int64_t> shape, std::vector<T> elements)
      : dims(std::move(shape)), values(std::move(elements)) {
    buffer = {sizeof(Buffer), nullptr, dtype, values.data(), static_cast<std::int64_t>(dims.size()),
              dims.data()};
  }
  std::vector<std::int64_t> dims;
  std::vector<T> values;
  Buffer buffer{};
};
Tensor<double> doubles(std::vector<std::int64_t> shape, std::vector<double> elements) {
  return {DataType::f64, std::move(shape), std::move(elements)};
}

struct Call {
  std::vector<Buffer*> in, out;
  std::int64_t ignore_index = -100;
  double label_smoothing = 0;

  Error* operator()(Error* (*handler)(CallFrame*)) {
    Scalar ignored{DataType::s64, &ignore_index}, smoothing{DataType::f64, &label_smoothing};
    Scalar* attributes[] = {&ignored, &smoothing};
    const Api api{sizeof(Api), nullptr, {}, nullptr, keep_error};
    CallFrame frame{};
    frame.struct_size = sizeof frame;
    frame.api = &api;
    frame.arguments.size = static_cast<std::int64_t>(in.size());
    frame.arguments.values = in.data();
    frame.results.size = static_cast<std::int64_t>(out.size());
    frame.results.values = out.data();
    frame.attributes.size = 2;
    frame.attributes.values = attributes;
    return handler(&frame);
  }
};

TEST(XlaHandlers, AnswerTheirVersion) {
  Metadata metadata{sizeof(Metadata), {}, 7};
  MetadataExtension extension{{sizeof(Extension), Extension::kMetadata, nullptr}, &metadata};
  CallFrame frame{};
  frame.extensions = &extension.base;
  EXPECT_EQ(softwarp_xla_softmax(&frame), nullptr);
  EXPECT_EQ(metadata.version.major_version, 0);
  EXPECT_EQ(metadata.version.minor_version, 1);
  EXPECT_EQ(metadata.traits, 0u);
}

TEST(XlaHandlers, ComputeAlongTheLastDimension) {
  auto x = doubles({2, 1, 2}, {0, std::log(3), std::log(4), 0}), y = doubles({2, 1, 2}, {9, 9, 9, 9});
  EXPECT_EQ((Call{{&x.buffer}, {&y.buffer}}(softwarp_xla_softmax)), nullptr);
  const double expected[] = {0.25, 0.75, 0.8, 0.2};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(y.values[i], expected[i], 1e-15);
  EXPECT_EQ((Call{{&x.buffer}, {&y.buffer}}(softwarp_xla_log_softmax)), nullptr);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(y.values[i], std::log(expected[i]), 1e-15);
}

TEST(XlaHandlers, ComputeTheBackwards) {
  auto y = doubles({2}, {0.25, 0.75}), dy = doubles({2}, {1, 3}), dx = doubles({2}, {9, 9});
  EXPECT_EQ((Call{{&y.buffer, &dy.buffer}, {&dx.buffer}}(softwarp_xla_softmax_backward)), nullptr);
  EXPECT_NEAR(dx.values[0], 0.25 * (1 - 2.5), 1e-15);
  EXPECT_NEAR(dx.values[1], 0.75 * (3 - 2.5), 1e-15);
  auto log_y = doubles({2}, {std::log(0.25), std::log(0.75)});
  EXPECT_EQ((Call{{&log_y.buffer, &dy.buffer}, {&dx.buffer}}(softwarp_xla_log_softmax_backward)), nullptr);
  EXPECT_NEAR(dx.values[0], 1 - 0.25 * 4, 1e-15);
  EXPECT_NEAR(dx.values[1], 3 - 0.75 * 4, 1e-15);
}

TEST(XlaHandlers, ComputeTheLossOfRowsWithAndWithoutWeightsAndGradient) {
  auto x = doubles({3, 2}, {0, std::log(3), std::log(4), 0, 5, 5}), weights = doubles({2}, {2, 10});
  Tensor<std::int32_t> targets(DataType::s32, {3}, {1, 0, 7});
  auto losses = doubles({3}, {9, 9, 9}), gradient = doubles({3, 2}, {9, 9, 9, 9, 9, 9});
  Call call{{&x.buffer, &targets.buffer}, {&losses.buffer}, /*ignore_index=*/7};
  EXPECT_EQ(call(softwarp_xla_cross_entropy), nullptr);
  const double expected[] = {-std::log(0.75), -std::log(0.8), 0};
  for (std::size_t r = 0; r < 3; ++r) EXPECT_NEAR(losses.values[r], expected[r], 1e-15);

  call.in.push_back(&weights.buffer);
  call.out.push_back(&gradient.buffer);
  call.label_smoothing = 1;  // the mean over classes, weighted; row 0: (2 log 4 + 10 log 4/3) / 2
  EXPECT_EQ(call(softwarp_xla_cross_entropy), nullptr);
  EXPECT_NEAR(losses.values[0], std::log(4) + 5 * std::log(4.0 / 3), 1e-14);
  const double row[] = {6 * 0.25 - 1, 6 * 0.75 - 5, 6 * 0.8 - 1, 6 * 0.2 - 5, 0, 0};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(gradient.values[i], row[i], 1e-14);
}

TEST(XlaHandlers, GiveXlaTheLineThatExplainsARefusal) {
  auto x = doubles({1, 2}, {0, 0}), losses = doubles({1}, {0});
  Tensor<std::int32_t> targets(DataType::s32, {1}, {2});
  EXPECT_NE((Call{{&x.buffer, &targets.buffer}, {&losses.buffer}}(softwarp_xla_cross_entropy)), nullptr);
  EXPECT_EQ(code, ErrorCode::invalid_argument);
  EXPECT_NE(message.find("expected a target in [0, 2)"), std::string::npos) << message;
  x.buffer.dtype = DataType::s32;
  EXPECT_NE((Call{{&x.buffer}, {&x.buffer}}(softwarp_xla_softmax)), nullptr);
  EXPECT_NE(message.find("expected a dtype of softwarp.h"), std::string::npos) << message;
}

}  // namespace
}  // namespace softwarp::xla
