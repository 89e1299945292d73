#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/matrix_view.h"

namespace softwarp {

struct LinearShape {
  std::int64_t batch = 0;
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  Activation activation = Activation::identity;
  Activation below = Activation::identity;  // of the layer whose output is this one's input
  bool trains = true;                       // false: forward only, nothing is kept for a backward
};

// One fully connected layer, planned for one shape. Made by Backend::make_linear and run many times;
// lives no longer than its backend. Views are packed:
// x [batch, inputs], w [outputs, inputs] as PyTorch's nn.Linear, b [outputs], y [batch, outputs].
// z = x wᵀ + b is the pre-activation, dz = dL/dz. Wrong shapes throw std::invalid_argument.
class Linear {
 public:
  using View = MatrixView<float>;
  using ConstView = ConstMatrixView<float>;

  explicit Linear(const LinearShape& shape) : shape_(shape) {}
  virtual ~Linear() = default;
  Linear(const Linear&) = delete;
  Linear& operator=(const Linear&) = delete;

  const LinearShape& shape() const { return shape_; }

  // y = activation(x wᵀ + b)
  void forward(ConstView x, ConstView w, const float* b, View y);

  // dw = dzᵀ x; and db = the column sums of dz, unless db is null.
  void backward_weights(ConstView x, ConstView dz, View dw, float* db);

  // dx = dz w
  void backward_input(ConstView dz, ConstView w, View dx);

  // In place dL/dy -> dL/dz = dL/dy ⊙ activation'(z), and db = the column sums of dz. y is what forward
  // returned last.
  void activation_backward(ConstView y, View dz, float* db);

  // backward_input, then the activation_backward of the layer `below`, whose output y_below is this
  // layer's input. A device that can do both in one go overrides it.
  void backward_through(ConstView dz, ConstView w, Linear& below, ConstView y_below, View dz_below,
                        float* db_below);

 private:
  virtual void run_forward(ConstView x, ConstView w, const float* b, View y) = 0;
  virtual void run_backward_weights(ConstView x, ConstView dz, View dw, float* db) = 0;
  virtual void run_backward_input(ConstView dz, ConstView w, View dx) = 0;
  virtual void run_activation_backward(ConstView y, View dz, float* db) = 0;
  virtual void run_backward_through(ConstView dz, ConstView w, Linear& below, ConstView y_below,
                                    View dz_below, float* db_below);

  LinearShape shape_;
};

}  // namespace softwarp
