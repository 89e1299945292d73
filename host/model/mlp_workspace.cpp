#include "host/model/mlp_workspace.h"

#include <softwarp/error.h>

namespace softwarp {

MlpWorkspace::MlpWorkspace(const Mlp& mlp, std::int64_t batch, bool trains, const DropoutRates& rates)
    : mlp_(&mlp), batch_(batch), rates_(trains ? rates : DropoutRates{}) {
  Backend& backend = mlp.backend();
  const MlpShape& shape = mlp.shape();
  input_ = backend.make_matrix(batch, shape.inputs);
  std::vector<LinearShape> shapes;
  for (std::int64_t i = 0; i < shape.layers(); ++i) {
    const bool hidden = i + 1 < shape.layers();
    const std::int64_t width = shape.width(i + 1);
    shapes.push_back({.batch = batch,
                      .inputs = shape.width(i),
                      .outputs = width,
                      .activation = hidden ? shape.activation : Activation::identity,
                      .trains = trains});
    outputs_.push_back(backend.make_matrix(batch, width));
    if (hidden && trains) gradients_.push_back(backend.make_matrix(batch, width));
    if (hidden && rates_.hidden > 0) dropped_.push_back(backend.make_matrix(batch, width));
  }
  layers_ = backend.make_layers(shapes);
}

// The input of layer i: the batch, or the hidden layer below it, after dropout.
MlpWorkspace::View MlpWorkspace::layer_input(std::int64_t i) const {
  if (i == 0) return input();
  return rates_.hidden > 0 ? dropped_[static_cast<std::size_t>(i - 1)].view() : output(i - 1);
}

MlpWorkspace::View MlpWorkspace::gradient(std::int64_t i) const {
  return i + 1 == mlp_->shape().layers() ? logits() : gradients_[static_cast<std::size_t>(i)].view();
}

void MlpWorkspace::forward(const TrainingState* state, std::int64_t first_row) {
  Backend& backend = mlp_->backend();
  const std::int64_t layers = mlp_->shape().layers();
  if (rates_.input > 0) backend.dropout(input(), rates_.input, 0, state, input(), first_row);
  for (std::int64_t i = 0; i < layers; ++i) {
    layer(i).forward(layer_input(i), mlp_->weight(i), mlp_->bias(i), output(i));
    if (rates_.hidden > 0 && i + 1 < layers)
      backend.dropout(output(i), rates_.hidden, static_cast<std::int32_t>(i + 1), state, layer_input(i + 1),
                      first_row);
  }
}

void MlpWorkspace::backward(float* gradients, const TrainingState* state, std::int64_t first_row,
                            const std::function<void(const ParameterTensor& weight)>& weight_done) {
  const ParameterLayout& layout = mlp_->layout();
  const std::int64_t last = mlp_->shape().layers() - 1;
  for (std::int64_t i = last; i >= 0; --i) {
    const ParameterTensor& weight = layout.weight(i);
    // Hidden layers' bias gradients come with dz, below.
    float* db = i == last ? gradients + layout.bias(i).offset : nullptr;
    layer(i).backward_weights(layer_input(i), gradient(i),
                              matrix_view(gradients + weight.offset, weight.rows, weight.cols), db);
    if (weight_done) weight_done(weight);
    if (i > 0) backward_to(i - 1, gradients + layout.bias(i - 1).offset, state, first_row);
  }
}

// dz of hidden layer i, and its bias gradient, from dz of the layer above it.
void MlpWorkspace::backward_to(std::int64_t i, float* db, const TrainingState* state,
                               std::int64_t first_row) {
  Linear& above = layer(i + 1);
  if (rates_.hidden == 0)
    return above.backward_through(gradient(i + 1), mlp_->weight(i + 1), output(i), gradient(i), db);
  above.backward_input(gradient(i + 1), mlp_->weight(i + 1), gradient(i));
  mlp_->backend().dropout(gradient(i), rates_.hidden, static_cast<std::int32_t>(i + 1), state, gradient(i),
                          first_row);
  layer(i).activation_backward(output(i), gradient(i), db);
}

}  // namespace softwarp
