#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "host/backend/cuda/handles.h"

namespace softwarp::cuda {

// Shared by all products: the library, its compute type, its workspace and stream.
struct MatmulContext {
  cublasLtHandle_t library = nullptr;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  void* workspace = nullptr;  // used by one product at a time
  std::size_t workspace_bytes = 0;
  cudaStream_t stream = nullptr;
};

// D [m, n] = op(A) op(B), op(A) [m, k], all of them packed float matrices as cuBLASLt sees them:
// column-major, so that a row-major matrix is its transpose.
struct MatmulShape {
  cublasOperation_t a = CUBLAS_OP_N;
  cublasOperation_t b = CUBLAS_OP_N;
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  std::int64_t aux_stride = 0;  // of the epilogue's auxiliary matrix: ReLU's in bits, GELU's in elements
};

struct MatmulOperands {
  const float* a = nullptr;
  const float* b = nullptr;
  float* d = nullptr;
  float* vector = nullptr;  // the epilogue's bias, or the gradient of one
  void* aux = nullptr;
};

// One product and its epilogue, planned once. cuBLASLt does not have every epilogue for every shape, and its
// choice of an algorithm depends on how the operands are aligned.
class Matmul {
 public:
  Matmul(const MatmulContext& context, const MatmulShape& shape);

  // CUBLAS_STATUS_SUCCESS, or why cuBLASLt has no algorithm for operands aligned to 256 bytes.
  cublasStatus_t status() const { return choices_.front().status; }

  // Queues the product. On any other status than CUBLAS_STATUS_SUCCESS nothing was queued: cuBLASLt has no
  // algorithm for operands aligned like these, or refused to run the one that it chose, which is then not
  // tried again. Throws Error if it refuses one that has run before: whoever has recorded it counts on it.
  [[nodiscard]] cublasStatus_t run(const MatmulOperands& operands);

 private:
  struct Choice {
    std::array<std::uint32_t, 5> alignment;  // of A, B, D, vector, aux
    cublasStatus_t status;
    cublasLtMatmulAlgo_t algo;
    bool has_run = false;
  };

  void point_to(const MatmulOperands& operands);
  Choice& choice_for(const MatmulOperands& operands);

  MatmulContext context_;
  MatmulDesc desc_;
  MatrixLayout a_, b_, d_;
  std::vector<Choice> choices_;
};

}  // namespace softwarp::cuda
