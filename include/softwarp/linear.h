#pragma once

/// @file
/// Fully connected layers.

#include <softwarp/activation.h>
#include <softwarp/matrix_view.h>

#include <cstdint>

namespace softwarp {

/// Sizes of a fully connected layer and the function behind it.
struct LinearShape {
  std::int64_t batch = 0;                        ///< rows of x and y
  std::int64_t inputs = 0;                       ///< columns of x
  std::int64_t outputs = 0;                      ///< columns of y
  Activation activation = Activation::identity;  ///< of z = x wᵀ + b
  bool trains = true;                            ///< false: forward only, nothing is kept for a backward
};

/// One fully connected layer, planned for one shape. Backend::make_layers makes it; it runs many times and
/// may not outlive its backend.
///
/// Views are packed and in the backend's memory: x [batch, inputs], w [outputs, inputs] as in PyTorch's
/// nn.Linear, b [outputs], y [batch, outputs]. z = x wᵀ + b is the pre-activation; dz = dL/dz, and so on. No
/// result overlaps an input except as said. On a GPU work is queued on the backend's stream. Wrong shapes
/// throw std::invalid_argument, as do the backward functions of a layer that does not train; a device's
/// refusal throws Error.
class Linear {
 public:
  using View = MatrixView<float>;            ///< a matrix that is written
  using ConstView = ConstMatrixView<float>;  ///< a matrix that is only read

  /// For implementations. `below` is the layer whose output is this one's input; null: none is known.
  explicit Linear(const LinearShape& shape, Linear* below = nullptr) : shape_(shape), below_(below) {}
  virtual ~Linear() = default;
  Linear(const Linear&) = delete;
  Linear& operator=(const Linear&) = delete;

  /// The shape it was made for.
  const LinearShape& shape() const { return shape_; }

  /// Computes y = activation(x wᵀ + b).
  void forward(ConstView x, ConstView w, const float* b, View y);

  /// Computes dw = dzᵀ x, and db as the column sums of dz unless db is null.
  void backward_weights(ConstView x, ConstView dz, View dw, float* db);

  /// Computes dx = dz w.
  void backward_input(ConstView dz, ConstView w, View dx);

  /// Turns dL/dy, which `dz` holds, into dL/dz = dL/dy ⊙ activation'(z) in place, and computes db as the
  /// column sums of dz unless db is null. y is the output of the last forward.
  void activation_backward(ConstView y, View dz, float* db);

  /// Does backward_input, then the activation_backward of the layer below, whose output y_below is this
  /// layer's input. A device may fuse the two; it plans that when the layers are made. The layer must have
  /// been made together with the one below.
  void backward_through(ConstView dz, ConstView w, ConstView y_below, View dz_below, float* db_below);

 protected:
  /// The layer below, or null.
  Linear* below() const { return below_; }

 private:
  virtual void forward_impl(ConstView x, ConstView w, const float* b, View y) = 0;
  virtual void backward_weights_impl(ConstView x, ConstView dz, View dw, float* db) = 0;
  virtual void backward_input_impl(ConstView dz, ConstView w, View dx) = 0;
  virtual void activation_backward_impl(ConstView y, View dz, float* db) = 0;
  virtual void backward_through_impl(ConstView dz, ConstView w, ConstView y_below, View dz_below,
                                     float* db_below);

  LinearShape shape_;
  Linear* below_;
};

}  // namespace softwarp
