#pragma once

#include <softwarp/backend.h>

#include <cstdint>

// The CPU's element-wise ops: vector code chosen for the machine when the program runs (Highway), spread
// over OpenMP's threads. Contracts as in backend.h.
namespace softwarp::cpu {

void activation(Activation kind, ConstMatrixView<float> z, MatrixView<float> y);
void activation_backward(Activation kind, ConstMatrixView<float> z, ConstMatrixView<float> y,
                         ConstMatrixView<float> dy, MatrixView<float> dz);
// The same in place of dz, and sums[j] = the sum of column j of the result. z is read by gelu only.
void activation_backward_sums(Activation kind, ConstMatrixView<float> z, ConstMatrixView<float> y,
                              MatrixView<float> dz, float* sums);
void dropout(ConstMatrixView<float> x, float rate, std::int32_t layer, const TrainingState& state,
             MatrixView<float> y, std::int64_t first_row);
void add(const float* from, float* to, std::int64_t size);
void gather_batch(const DatasetView& data, const std::int32_t* order, std::int64_t position,
                  MatrixView<float> batch, std::int32_t* targets);
void augment_batch(const DatasetView& data, const std::int32_t* order, const TrainingState& state,
                   const Augmentation& augmentation, MatrixView<float> batch, std::int32_t* targets);
bool sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, float rate);
bool adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options, float rate,
                std::int64_t step);
// average += weight (values - average), each [size].
void average_parameters(const float* values, float* average, std::int64_t size, float weight);
void renorm_rows(MatrixView<float> x, float max_norm);

}  // namespace softwarp::cpu
