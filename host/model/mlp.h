#pragma once

#include <softwarp/backend.h>
#include <softwarp/mlp.h>

#include <cstdint>
#include <span>
#include <vector>

namespace softwarp {

// The parameters of a multilayer perceptron on a backend, which must outlive it. What is computed with them
// for a batch is a MlpWorkspace.
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
