#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/backend/backend.h"
#include "host/model/layout.h"

namespace softwarp {

// kaiming: weights uniform in ±gain sqrt(3 / fan_in), with gain sqrt(2) before relu and gelu, 5/3 before tanh
// and 1 otherwise; biases 0 (He et al., arXiv:1502.01852). uniform: weights and biases uniform in
// ±sqrt(1 / fan_in), which is nn.Linear's default.
enum class Initialization { kaiming, uniform };

// The parameters of a multilayer perceptron on a backend, which must outlive it. What is computed with them
// for a batch is a Pass.
class Mlp {
 public:
  // All parameters are zero until initialize or set_values.
  Mlp(Backend& backend, const MlpShape& shape);

  void initialize(Initialization kind, std::uint64_t seed);
  // The buffer on the host, laid out as layout() says.
  [[nodiscard]] std::vector<float> values() const;
  void set_values(std::span<const float> values);

  Backend& backend() const { return *backend_; }
  const MlpShape& shape() const { return shape_; }
  const ParameterLayout& layout() const { return layout_; }
  float* data() const { return values_.data(); }

  MatrixView<const float> weight(std::int64_t layer) const {
    const ParameterTensor& tensor = layout_.weight(layer);
    return matrix_view<const float>(values_.data() + tensor.offset, tensor.rows, tensor.cols);
  }
  const float* bias(std::int64_t layer) const { return values_.data() + layout_.bias(layer).offset; }

 private:
  Backend* backend_;
  MlpShape shape_;
  ParameterLayout layout_;
  Array<float> values_;
};

}  // namespace softwarp
