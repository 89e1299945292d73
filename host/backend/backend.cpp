#include "host/backend/backend.h"

#include "host/backend/error.h"

namespace softwarp {
namespace {

template <class A, class B>
void expect_same_shape(A a, B b, std::source_location where = std::source_location::current()) {
  expects(a.rows == b.rows && a.cols == b.cols, "matrices of one shape", where);
  expects(a.cols > 0 && a.rows >= 0, "at least one column", where);
  expects(a.stride >= a.cols && b.stride >= b.cols, "strides of at least a row's length", where);
}

template <class V, class W>
void expect_jacobian(V y, W jacobian, std::source_location where = std::source_location::current()) {
  expects(y.cols > 0, "at least one column", where);
  expects(jacobian.cols == y.cols && jacobian.rows == y.rows * y.cols, "a Jacobian of rows * cols x cols",
          where);
}

}  // namespace

void ReturnMemory::operator()(void* memory) const noexcept {
  backend->memory_in_use_ -= bytes;
  backend->run_free(memory);
}

Memory Backend::allocate(std::int64_t bytes) {
  expects(bytes >= 0, "a size that is not negative");
  Memory memory(run_allocate(static_cast<std::size_t>(bytes)), ReturnMemory{this, bytes});
  memory_in_use_ += bytes;
  return memory;
}

Matrix Backend::make_matrix(std::int64_t rows, std::int64_t cols) {
  expects(rows >= 0 && cols >= 0, "sizes that are not negative");
  return Matrix(make_array<float>(rows * cols), rows, cols);
}

void Backend::copy(const float* from, float* to, std::int64_t size) { run_copy(from, to, size); }

void Backend::softmax(ConstView x, View y) {
  expect_same_shape(x, y);
  run_softmax(x, y);
}
void Backend::softmax(ConstView64 x, View64 y) {
  expect_same_shape(x, y);
  run_softmax(x, y);
}
void Backend::log_softmax(ConstView x, View y) {
  expect_same_shape(x, y);
  run_log_softmax(x, y);
}
void Backend::log_softmax(ConstView64 x, View64 y) {
  expect_same_shape(x, y);
  run_log_softmax(x, y);
}
void Backend::softmax_backward(ConstView y, ConstView dy, View dx) {
  expect_same_shape(y, dy);
  expect_same_shape(y, dx);
  run_softmax_backward(y, dy, dx);
}
void Backend::softmax_backward(ConstView64 y, ConstView64 dy, View64 dx) {
  expect_same_shape(y, dy);
  expect_same_shape(y, dx);
  run_softmax_backward(y, dy, dx);
}
void Backend::log_softmax_backward(ConstView y, ConstView dy, View dx) {
  expect_same_shape(y, dy);
  expect_same_shape(y, dx);
  run_log_softmax_backward(y, dy, dx);
}
void Backend::log_softmax_backward(ConstView64 y, ConstView64 dy, View64 dx) {
  expect_same_shape(y, dy);
  expect_same_shape(y, dx);
  run_log_softmax_backward(y, dy, dx);
}
void Backend::softmax_jacobian(ConstView y, View jacobian) {
  expect_jacobian(y, jacobian);
  run_softmax_jacobian(y, jacobian);
}
void Backend::softmax_jacobian(ConstView64 y, View64 jacobian) {
  expect_jacobian(y, jacobian);
  run_softmax_jacobian(y, jacobian);
}

void Backend::softmax_cross_entropy(ConstView logits, const std::int32_t* targets,
                                    const CrossEntropyOptions& options, float* losses, View dlogits,
                                    CrossEntropySums* sums) {
  expects(logits.cols > 0, "at least one class");
  if (dlogits.data != nullptr) expect_same_shape(logits, dlogits);
  expects(sums != nullptr, "sums to add to");
  expects(options.label_smoothing >= 0 && options.label_smoothing <= 1, "label smoothing in [0, 1]");
  expects(!options.assume_all_valid || options.class_weights == nullptr,
          "no class weights where all targets count");
  run_softmax_cross_entropy(logits, targets, options, losses, dlogits, sums);
}

void Backend::argmax(ConstView x, std::int32_t* best) {
  expects(x.cols > 0, "at least one column");
  run_argmax(x, best);
}

std::unique_ptr<Linear> Backend::make_linear(const LinearShape& shape) {
  expects(shape.batch > 0 && shape.inputs > 0 && shape.outputs > 0, "a layer with sizes above zero");
  return run_make_linear(shape);
}

void Backend::activation(Activation kind, ConstView z, View y) {
  expect_same_shape(z, y);
  run_activation(kind, z, y);
}

void Backend::activation_backward(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) {
  expect_same_shape(y, dy);
  expect_same_shape(y, dz);
  if (kind == Activation::gelu) expect_same_shape(y, z);
  run_activation_backward(kind, z, y, dy, dz);
}

void Backend::dropout(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y) {
  expect_same_shape(x, y);
  expects(x.packed() && y.packed(), "packed matrices");
  expects(rate >= 0 && rate < 1, "a dropout rate in [0, 1)");
  run_dropout(x, rate, layer, state, y);
}

void Backend::permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order, std::int64_t count) {
  expects(count >= 0 && count <= INT32_MAX, "a count that fits 31 bits");
  run_permutation(seed, epoch, order, count);
}

void Backend::gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                           View batch, std::int32_t* targets) {
  expects(batch.cols == data.pixels, "a batch as wide as an image");
  expects(batch.rows <= data.count, "a batch no larger than the data set");
  run_gather_batch(data, order, state, batch, targets);
}

void Backend::sgd_step(const ParameterBuffers& parameters, const SgdOptions& options,
                       const Schedule& schedule, TrainingState* state, std::int64_t rows) {
  expects(options.momentum == 0 || parameters.first_moment != nullptr, "a momentum buffer");
  expects(!options.nesterov || options.momentum > 0, "momentum above zero for Nesterov");
  run_sgd_step(parameters, options, schedule, state, rows);
}

void Backend::adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options,
                         const Schedule& schedule, TrainingState* state, std::int64_t rows) {
  expects(parameters.first_moment != nullptr && parameters.second_moment != nullptr, "both moment buffers");
  run_adamw_step(parameters, options, schedule, state, rows);
}

}  // namespace softwarp
