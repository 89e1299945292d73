#include "host/backend/cuda/handles.h"

#include <fmt/format.h>
#include <softwarp/error.h>

namespace softwarp::cuda {

void check(cublasStatus_t status, std::source_location where) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(fmt::format("{}:{}: cuBLASLt says {}, {}", where.file_name(), where.line(),
                          cublasLtGetStatusName(status), cublasLtGetStatusString(status)));
}

}  // namespace softwarp::cuda
