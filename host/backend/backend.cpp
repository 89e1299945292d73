#include <softwarp/backend.h>
#include <softwarp/error.h>

#include <cmath>

#include "host/backend/row_ops.h"

namespace softwarp {
namespace {

void expect_same_shape(const ConstAnyMatrix& a, const ConstAnyMatrix& b,
                       std::source_location where = std::source_location::current()) {
  expects(a.rows == b.rows && a.cols == b.cols, "matrices of one shape", where);
  expects(a.dtype == b.dtype, "matrices of one type", where);
  expects(a.cols > 0 && a.rows >= 0, "at least one column", where);
  expects(a.stride >= a.cols && b.stride >= b.cols, "strides of at least a row's length", where);
}

}  // namespace

void ReturnMemory::operator()(void* memory) const noexcept {
  backend->memory_in_use_ -= bytes;
  backend->deallocate_impl(memory);
}

Memory Backend::allocate(std::int64_t bytes) {
  expects(bytes >= 0, "a size that is not negative");
  Memory memory(allocate_impl(static_cast<std::size_t>(bytes)), ReturnMemory{this, bytes});
  memory_in_use_ += bytes;
  return memory;
}

Matrix Backend::make_matrix(std::int64_t rows, std::int64_t cols) {
  expects(rows >= 0 && cols >= 0, "sizes that are not negative");
  return Matrix(make_array<float>(rows * cols), rows, cols);
}

void Backend::copy(const float* from, float* to, std::int64_t size) { copy_impl(from, to, size); }

void Backend::forward(RowFunction function, const ConstAnyMatrix& x, const AnyMatrix& y) {
  expect_same_shape(x, y);
  row_ops().forward(function, x, y, {split_row_workspace(), stream()});
}

void Backend::backward(RowFunction function, const ConstAnyMatrix& y, const ConstAnyMatrix& dy,
                       const AnyMatrix& dx) {
  expect_same_shape(y, dy);
  expect_same_shape(y, dx);
  row_ops().backward(function, y, dy, dx, {split_row_workspace(), stream()});
}

void Backend::softmax_jacobian(ConstAnyMatrix y, AnyMatrix jacobian) {
  expects(y.cols > 0, "at least one column");
  expects(jacobian.cols == y.cols && jacobian.rows == y.rows * y.cols, "a Jacobian of rows * cols x cols");
  expects(jacobian.dtype == y.dtype, "matrices of one type");
  row_ops().jacobian(y, jacobian, {{}, stream()});
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
  expects(options.batch_rows == 0 || (options.assume_all_valid && options.batch_rows >= logits.rows),
          "a batch of no fewer rows, whose targets all count");
  const RowOps& ops = row_ops();
  const std::size_t bytes = ops.cross_entropy_workspace_bytes(logits);
  ops.cross_entropy(logits, targets, options, losses, dlogits, sums, {zeroed_workspace(bytes), stream()});
}

void Backend::argmax(ConstView x, std::int32_t* best) {
  expects(x.cols > 0, "at least one column");
  row_ops().argmax(x, best, {{}, stream()});
}

std::vector<std::unique_ptr<Linear>> Backend::make_layers(std::span<const LinearShape> shapes) {
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const LinearShape& s = shapes[i];
    expects(s.batch > 0 && s.inputs > 0 && s.outputs > 0, "layers with sizes above zero");
    if (i == 0) continue;
    const LinearShape& below = shapes[i - 1];
    expects(below.outputs == s.inputs && below.batch == s.batch && below.trains == s.trains,
            "layers that feed each other");
  }
  return make_layers_impl(shapes);
}

void Backend::activation(Activation kind, ConstView z, View y) {
  expect_same_shape(z, y);
  activation_impl(kind, z, y);
}

void Backend::activation_backward(Activation kind, ConstView z, ConstView y, ConstView dy, View dz) {
  expect_same_shape(y, dy);
  expect_same_shape(y, dz);
  if (kind == Activation::gelu) expect_same_shape(y, z);
  activation_backward_impl(kind, z, y, dy, dz);
}

void Backend::dropout(ConstView x, float rate, std::int32_t layer, const TrainingState* state, View y,
                      std::int64_t first_row) {
  expect_same_shape(x, y);
  expects(x.packed() && y.packed(), "packed matrices");
  expects(rate >= 0 && rate < 1, "a dropout rate in [0, 1)");
  expects(first_row >= 0, "a first row that is not negative");
  dropout_impl(x, rate, layer, state, y, first_row);
}

void Backend::add(const float* from, float* to, std::int64_t size) { add_impl(from, to, size); }

void Backend::permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order, std::int64_t count) {
  expects(count >= 0 && count <= INT32_MAX, "a count that fits 31 bits");
  permutation_impl(seed, epoch, order, count);
}

void Backend::gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                           View batch, std::int32_t* targets) {
  expects(batch.cols == data.pixels, "a batch as wide as an image");
  expects(batch.rows <= data.count, "a batch no larger than the data set");
  gather_batch_impl(data, order, state, batch, targets);
}

void Backend::augment_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                            const Augmentation& augmentation, View batch, std::int32_t* targets) {
  expects(batch.cols == data.pixels, "a batch as wide as an image");
  expects(batch.rows <= data.count, "a batch no larger than the data set");
  expects(data.values == nullptr, "images of bytes");
  expects(data.width > 0 && data.pixels % data.width == 0, "images of whole rows");
  const Augmentation& a = augmentation;
  for (const UniformInterval& interval : {a.degrees, a.shear, a.scale, a.translate})
    expects(std::isfinite(interval.least) && std::isfinite(interval.most) && interval.least <= interval.most,
            "intervals whose ends are in order");
  expects(a.scale.least > 0, "a scale above 0");
  expects(a.flip >= 0 && a.flip <= 1, "a chance to flip in [0, 1]");
  expects(std::abs(a.shear.least) < 90 && std::abs(a.shear.most) < 90, "a shear below 90 degrees");
  expects(std::isfinite(a.alpha) && a.alpha >= 0 && a.sigma > 0 && a.sigma <= 10,
          "alpha not negative, and sigma in (0, 10]");
  augment_batch_impl(data, order, state, augmentation, batch, targets);
}

void Backend::sgd_step(const ParameterBuffers& parameters, const SgdOptions& options,
                       const Schedule& schedule, TrainingState* state, std::int64_t rows) {
  expects(options.momentum == 0 || parameters.first_moment != nullptr, "a momentum buffer");
  expects(!options.nesterov || options.momentum > 0, "momentum above zero for Nesterov");
  sgd_step_impl(parameters, options, schedule, state, rows);
}

void Backend::adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options,
                         const Schedule& schedule, TrainingState* state, std::int64_t rows) {
  expects(parameters.first_moment != nullptr && parameters.second_moment != nullptr, "both moment buffers");
  adamw_step_impl(parameters, options, schedule, state, rows);
}

void Backend::average_parameters(const float* values, float* average, std::int64_t size, float decay,
                                 const TrainingState* state) {
  expects(decay > 0 && decay < 1, "a decay in (0, 1)");
  average_parameters_impl(values, average, size, decay, state);
}

void Backend::renorm_rows(View x, float max_norm) {
  expects(max_norm > 0, "a norm above 0");
  renorm_rows_impl(x, max_norm);
}

}  // namespace softwarp
