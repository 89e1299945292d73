#pragma once

#include <softwarp/matrix_view.h>
#include <softwarp/workspace.h>

#include <cstdint>

namespace softwarp {

/// best[r] = the column of row r's largest element, the first of equals; NaN counts as largest. On a GPU,
/// under softmax.h's rules; x [rows, cols] with cols below 2^31, best [rows]. Adds the number of rows whose
/// best is targets[r] to *correct, unless that is null. One launch, which reads each element once.
template <class T>
void argmax(ConstMatrixView<T> x, std::int32_t* best, const std::int32_t* targets,
            unsigned long long* correct, cudaStream_t stream);

}  // namespace softwarp
