#pragma once

// The ops of a training step beside softmax.h's family and the matrix products, on a GPU, float. Each is one
// launch on the stream it is given; all pointers are into the device's memory, at any address that suits
// their type. Wrong shapes throw std::invalid_argument, a launch that fails throws Error. Results are the
// same bits from run to run.

#include <cuda_runtime.h>
#include <softwarp/activation.h>
#include <softwarp/augment.h>
#include <softwarp/dataset.h>
#include <softwarp/matrix_view.h>
#include <softwarp/optimizer.h>
#include <softwarp/workspace.h>

#include <cstddef>
#include <cstdint>

namespace softwarp {

// y = activation(z + b), b [cols] or null. z + b is kept in `sums` unless that has no data. In place allowed.
void bias_activation(Activation kind, ConstMatrixView<float> z, const float* b, MatrixView<float> sums,
                     MatrixView<float> y, cudaStream_t stream);

// dz = dy ⊙ activation'(z), and db [cols] = the column sums of dz unless it is null. y = activation(z); only
// gelu reads z, and identity neither. In place of dy allowed; a dz without data is not written.
void bias_activation_backward(Activation kind, ConstMatrixView<float> z, ConstMatrixView<float> y,
                              ConstMatrixView<float> dy, MatrixView<float> dz, float* db,
                              cudaStream_t stream);

// y = x with each element dropped or scaled as dropout.h says, by its place in a batch of which x begins at
// row first_row. Packed matrices; in place allowed.
void dropout(ConstMatrixView<float> x, float rate, std::int32_t layer, const TrainingState* state,
             MatrixView<float> y, std::int64_t first_row, cudaStream_t stream);

// batch[r] = image order[position + r] times scale, targets[r] its label. A null order is the identity.
void gather_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                  MatrixView<float> batch, std::int32_t* targets, cudaStream_t stream);

// The same with deformed images, as Backend::augment_batch has them.
void augment_batch(const DatasetView& data, const std::int32_t* order, const TrainingState* state,
                   const Augmentation& augmentation, MatrixView<float> batch, std::int32_t* targets,
                   cudaStream_t stream);

// One step at the schedule's rate, then state->step += 1 and state->position += rows.
void sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, const Schedule& schedule,
              TrainingState* state, std::int64_t rows, cudaStream_t stream);
void adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options, const Schedule& schedule,
                TrainingState* state, std::int64_t rows, cudaStream_t stream);
// average += weight_of_newest(decay, state->step) (values - average), each [size].
void average_parameters(const float* values, float* average, std::int64_t size, float decay,
                        const TrainingState* state, cudaStream_t stream);
// Scales the rows of x whose norm is above max_norm to it, as Backend::renorm_rows has it.
void renorm_rows(MatrixView<float> x, float max_norm, cudaStream_t stream);
// to += from, each [size].
void add(const float* from, float* to, std::int64_t size, cudaStream_t stream);
// state->position += rows
void advance(TrainingState* state, std::int64_t rows, cudaStream_t stream);

// order [count] = 0..count - 1, sorted by permutation_key. Two launches and those of a radix sort.
// `workspace` has permutation_workspace_bytes(count); both throw Error if CUDA refuses.
[[nodiscard]] std::size_t permutation_workspace_bytes(std::int64_t count);
void permutation(std::uint64_t seed, std::int64_t epoch, std::int32_t* order, std::int64_t count,
                 Workspace workspace, cudaStream_t stream);

}  // namespace softwarp
