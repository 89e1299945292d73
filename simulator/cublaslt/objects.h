#pragma once

// The objects behind cuBLASLt's handles.

#include <optional>
#include <utility>

#include <cublasLt.h>
#include "simulator/simulator.h"

struct cublasLtContext {};

struct cublasLtMatrixLayoutOpaque_t {
  std::uint32_t type = CUDA_R_32F;
  std::int32_t order = CUBLASLT_ORDER_COL;
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::int64_t ld = 0;
  std::int32_t batches = 1;

  // Elements from the first to the last one.
  std::size_t extent() const {
    const auto [inner, outer] = order == CUBLASLT_ORDER_COL ? std::pair{rows, cols} : std::pair{cols, rows};
    return static_cast<std::size_t>(ld) * (outer - 1) + inner;
  }
  std::size_t offset(std::uint64_t row, std::uint64_t col) const {
    const auto stride = static_cast<std::uint64_t>(ld);
    return order == CUBLASLT_ORDER_COL ? col * stride + row : row * stride + col;
  }
};

struct cublasLtMatmulDescOpaque_t {
  std::int32_t compute = CUBLAS_COMPUTE_32F;
  std::int32_t scale = CUDA_R_32F;
  std::int32_t pointer_mode = CUBLASLT_POINTER_MODE_HOST;
  std::int32_t transpose_a = CUBLAS_OP_N;
  std::int32_t transpose_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
  std::int32_t bias_type = -1;
  void* aux = nullptr;
  std::int64_t aux_ld = 0;
  std::int32_t aux_type = -1;
};

struct cublasLtMatmulPreferenceOpaque_t {
  std::uint64_t workspace = 0;
  std::uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C, D
};

namespace softwarp::simulator {

// The parts that an epilogue is made of: the bits of its number.
struct Epilogue {
  unsigned bits;
  bool relu() const { return bits & 2; }
  bool bias() const { return bits & 4; }
  bool relu_gradient() const { return bits & 8; }
  bool bias_gradient() const { return bits & 16; }
  bool gelu() const { return bits & 32; }
  bool gelu_gradient() const { return bits & 64; }
  bool aux() const { return bits & 128; }
  bool gradient_of_a() const { return bits & 256; }
  bool gradient_of_b() const { return bits & 512; }
  bool mask() const { return aux() && (relu() || relu_gradient()); }  // aux is one bit an element
  bool vector() const { return bias() || bias_gradient() || gradient_of_a() || gradient_of_b(); }
};

struct Product {
  cublasLtMatmulDescOpaque_t desc;
  cublasLtMatrixLayoutOpaque_t a, b, c, d;

  std::uint64_t m() const { return d.rows; }
  std::uint64_t n() const { return d.cols; }
  std::uint64_t k() const { return desc.transpose_a == CUBLAS_OP_N ? a.cols : a.rows; }
  Epilogue epilogue() const { return {desc.epilogue}; }
  std::size_t vector_length() const { return epilogue().gradient_of_b() ? n() : m(); }
};

std::size_t size_of(std::uint32_t type);

// How this product's epilogue is refused, if a test asked for it.
std::optional<Refusal> refusal_of(const Product& product);

// The library's answer to this product before it looks at any pointer.
cublasStatus_t check(const Product& product);

// D = epilogue(alpha op(A) op(B) + beta C), on the device.
void compute(const Product& product, double alpha, const void* a, const void* b, double beta, const void* c,
             void* d);

}  // namespace softwarp::simulator
