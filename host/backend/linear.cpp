#include "host/backend/linear.h"

#include "host/backend/error.h"

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
  run_forward(x, w, b, y);
}

void Linear::backward_weights(ConstView x, ConstView dz, View dw, float* db) {
  expects(shape_.trains, "a layer made to train");
  expect_packed(x, shape_.batch, shape_.inputs, "x of batch x inputs");
  expect_packed(dz, shape_.batch, shape_.outputs, "dz of batch x outputs");
  expect_packed(dw, shape_.outputs, shape_.inputs, "dw of outputs x inputs");
  run_backward_weights(x, dz, dw, db);
}

void Linear::backward_input(ConstView dz, ConstView w, View dx) {
  expects(shape_.trains, "a layer made to train");
  expect_packed(dz, shape_.batch, shape_.outputs, "dz of batch x outputs");
  expect_packed(w, shape_.outputs, shape_.inputs, "w of outputs x inputs");
  expect_packed(dx, shape_.batch, shape_.inputs, "dx of batch x inputs");
  run_backward_input(dz, w, dx);
}

void Linear::activation_backward(ConstView y, View dz, float* db) {
  expects(shape_.trains, "a layer made to train");
  expect_packed(y, shape_.batch, shape_.outputs, "y of batch x outputs");
  expect_packed(dz, shape_.batch, shape_.outputs, "dz of batch x outputs");
  run_activation_backward(y, dz, db);
}

void Linear::backward_through(ConstView dz, ConstView w, Linear& below, ConstView y_below, View dz_below,
                              float* db_below) {
  expects(shape_.trains && below.shape_.trains, "layers made to train");
  expects(below.shape_.outputs == shape_.inputs && below.shape_.batch == shape_.batch,
          "a layer below that feeds this one");
  expects(below.shape_.activation == shape_.below, "the activation below that it was made for");
  expect_packed(dz, shape_.batch, shape_.outputs, "dz of batch x outputs");
  expect_packed(w, shape_.outputs, shape_.inputs, "w of outputs x inputs");
  expect_packed(y_below, shape_.batch, shape_.inputs, "y_below of batch x inputs");
  expect_packed(dz_below, shape_.batch, shape_.inputs, "dz_below of batch x inputs");
  run_backward_through(dz, w, below, y_below, dz_below, db_below);
}

void Linear::run_backward_through(ConstView dz, ConstView w, Linear& below, ConstView y_below, View dz_below,
                                  float* db_below) {
  backward_input(dz, w, dz_below);
  below.activation_backward(y_below, dz_below, db_below);
}

}  // namespace softwarp
