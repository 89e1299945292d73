#include "host/model/optimizer.h"

#include <softwarp/error.h>

namespace softwarp {

Optimizer::Optimizer(const Mlp& mlp, const OptimizerSettings& settings) : mlp_(&mlp), settings_(settings) {
  Backend& backend = mlp.backend();
  const std::int64_t size = mlp.layout().size;
  gradients_ = backend.make_array<float>(size);
  const bool adamw = settings.kind == OptimizerKind::adamw;
  if (adamw || settings.sgd.momentum != 0) first_moment_ = backend.make_array<float>(size);
  if (adamw) second_moment_ = backend.make_array<float>(size);
}

std::vector<float> Optimizer::moment(const Array<float>& moment) const {
  std::vector<float> values(static_cast<std::size_t>(moment.size()));
  mlp_->backend().download<float>(moment.data(), values);
  return values;
}

void Optimizer::set_moments(std::span<const float> first, std::span<const float> second) {
  expects(std::ssize(first) == first_moment_.size() && std::ssize(second) == second_moment_.size(),
          "the moments of this optimizer");
  mlp_->backend().upload(first, first_moment_.data());
  mlp_->backend().upload(second, second_moment_.data());
}

void Optimizer::clear_moments() {
  set_moments(std::vector<float>(static_cast<std::size_t>(first_moment_.size())),
              std::vector<float>(static_cast<std::size_t>(second_moment_.size())));
}

void Optimizer::step(TrainingState* state, std::int64_t rows) {
  const ParameterBuffers buffers{.values = mlp_->data(),
                                 .gradients = gradients_.data(),
                                 .first_moment = first_moment_.data(),
                                 .second_moment = second_moment_.data(),
                                 .size = mlp_->layout().size,
                                 .decayed = mlp_->layout().decayed};
  Backend& backend = mlp_->backend();
  if (settings_.kind == OptimizerKind::adamw)
    backend.adamw_step(buffers, settings_.adamw, settings_.schedule, state, rows);
  else
    backend.sgd_step(buffers, settings_.sgd, settings_.schedule, state, rows);
  if (settings_.max_norm == 0) return;
  for (const ParameterTensor& tensor : mlp_->layout().tensors)
    if (!tensor.is_bias())
      backend.renorm_rows(matrix_view(mlp_->data() + tensor.offset, tensor.rows, tensor.cols),
                          static_cast<float>(settings_.max_norm));
}

}  // namespace softwarp
