#pragma once

/// @file
/// The index of each row's largest element, on a GPU.

#include <softwarp/matrix_view.h>
#include <softwarp/workspace.h>

#include <cstdint>

namespace softwarp {

/// Computes best[r], the column of the largest element of row r. The first of equal elements counts; NaN
/// counts as largest.
///
/// T is float, double, __half or __nv_bfloat16. x is [rows, cols] with cols below 2^31, best is [rows].
/// If `correct` is not null, the number of rows whose best is targets[r] is added to `*correct`; if it is
/// null, targets may be null. All pointers are to device memory. <softwarp/softmax.h> has the rules for
/// strides, streams, graphs and errors. One launch reads each element once.
template <class T>
void argmax(ConstMatrixView<T> x, std::int32_t* best, const std::int32_t* targets,
            unsigned long long* correct, cudaStream_t stream);

}  // namespace softwarp
