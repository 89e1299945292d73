#include <softwarp/error.h>
#include <softwarp/linear.h>

namespace softwarp {
namespace {

void expect_packed(Linear::ConstView v, std::int64_t rows, std::int64_t cols, const char* promise,
                   std::source_location where = std::source_location::current()) {
  expects(v.rows == rows && v.cols == cols && v.packed(), promise, where);
}

}  // namespace

void Linear::forward(ConstView x, ConstView w, const float* b, View y) {
  expect_packed(x, shape_.batch, shape_.inputs, "x of batch x inputs");
  expect_packed(w, shape_.outputs, shape_.inputs, "w of outputs x inputs");
  expect_packed(y, shape_.batch, shape_.outputs, "y of batch x outputs");
  forward_impl(x, w, b, y);
}

void Linear::backward_weights(ConstView x, ConstView dz, View dw, float* db) {
  expects(shape_.trains, "a layer made to train");
  expect_packed(x, shape_.batch, shape_.inputs, "x of batch x inputs");
  expect_packed(dz, shape_.batch, shape_.outputs, "dz of batch x outputs");
  expect_packed(dw, shape_.outputs, shape_.inputs, "dw of outputs x inputs");
  backward_weights_impl(x, dz, dw, db);
}

void Linear::backward_input(ConstView dz, ConstView w, View dx) {
  expects(shape_.trains, "a layer made to train");
  expect_packed(dz, shape_.batch, shape_.outputs, "dz of batch x outputs");
  expect_packed(w, shape_.outputs, shape_.inputs, "w of outputs x inputs");
  expect_packed(dx, shape_.batch, shape_.inputs, "dx of batch x inputs");
  backward_input_impl(dz, w, dx);
}

void Linear::activation_backward(ConstView y, View dz, float* db) {
  expects(shape_.trains, "a layer made to train");
  expect_packed(y, shape_.batch, shape_.outputs, "y of batch x outputs");
  expect_packed(dz, shape_.batch, shape_.outputs, "dz of batch x outputs");
  activation_backward_impl(y, dz, db);
}

void Linear::backward_through(ConstView dz, ConstView w, ConstView y_below, View dz_below, float* db_below) {
  expects(below_ != nullptr, "a layer made with the one below it");
  expects(shape_.trains, "a layer made to train");
  expect_packed(dz, shape_.batch, shape_.outputs, "dz of batch x outputs");
  expect_packed(w, shape_.outputs, shape_.inputs, "w of outputs x inputs");
  expect_packed(y_below, shape_.batch, shape_.inputs, "y_below of batch x inputs");
  expect_packed(dz_below, shape_.batch, shape_.inputs, "dz_below of batch x inputs");
  backward_through_impl(dz, w, y_below, dz_below, db_below);
}

void Linear::backward_through_impl(ConstView dz, ConstView w, ConstView y_below, View dz_below,
                                   float* db_below) {
  backward_input(dz, w, dz_below);
  below_->activation_backward(y_below, dz_below, db_below);
}

}  // namespace softwarp
