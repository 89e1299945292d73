// Refuses what cuBLASLt refuses, by its header and documentation.

#include "simulator/cublaslt/objects.h"
#include "simulator/engine/state.h"

namespace softwarp::simulator {

namespace {

bool well_formed(const cublasLtMatrixLayoutOpaque_t& layout) {
  const auto least = layout.order == CUBLASLT_ORDER_COL ? layout.rows : layout.cols;
  return layout.rows > 0 && layout.cols > 0 && layout.ld >= static_cast<std::int64_t>(least);
}

bool shapes_agree(const Product& p) {
  const bool ta = p.desc.transpose_a != CUBLAS_OP_N;
  const bool tb = p.desc.transpose_b != CUBLAS_OP_N;
  return (ta ? p.a.cols : p.a.rows) == p.m() && (tb ? p.b.rows : p.b.cols) == p.n() &&
         (tb ? p.b.cols : p.b.rows) == p.k() && p.c.rows == p.m() && p.c.cols == p.n();
}

// The table of cublasLtMatmul, as far as it goes here.
bool types_supported(const Product& p) {
  const auto& desc = p.desc;
  if (p.a.type != p.b.type || p.c.type != p.d.type) return false;
  if (desc.compute == CUBLAS_COMPUTE_64F)
    return desc.scale == CUDA_R_64F && p.a.type == CUDA_R_64F && p.d.type == CUDA_R_64F;
  if (desc.scale != CUDA_R_32F) return false;
  switch (desc.compute) {
    case CUBLAS_COMPUTE_32F:
    case CUBLAS_COMPUTE_32F_PEDANTIC:
      if (p.a.type == CUDA_R_16F || p.a.type == CUDA_R_16BF)
        return p.d.type == p.a.type || p.d.type == CUDA_R_32F;
      return p.a.type == CUDA_R_32F && p.d.type == CUDA_R_32F;
    case CUBLAS_COMPUTE_32F_FAST_16F:
    case CUBLAS_COMPUTE_32F_FAST_16BF:
    case CUBLAS_COMPUTE_32F_FAST_TF32: return p.a.type == CUDA_R_32F && p.d.type == CUDA_R_32F;
    default: return false;
  }
}

cublasStatus_t check_epilogue(const Product& p) {
  const auto epilogue = p.epilogue();
  const auto& desc = p.desc;
  if (epilogue.bits == CUBLASLT_EPILOGUE_DEFAULT) return CUBLAS_STATUS_SUCCESS;
  const bool is_own_type = [&](std::int32_t type) {
    return type == -1 || type == static_cast<std::int32_t>(p.d.type);
  }(epilogue.vector() ? desc.bias_type : -1);
  if (p.d.order != CUBLASLT_ORDER_COL || p.d.type == CUDA_R_64F || !is_own_type)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (epilogue.aux()) {
    const std::int64_t multiple = epilogue.mask() ? 128 : 8;
    if (desc.aux_ld % multiple != 0 || desc.aux_ld < static_cast<std::int64_t>(p.m()))
      return CUBLAS_STATUS_INVALID_VALUE;
  }
  if ((epilogue.relu_gradient() || epilogue.gelu_gradient()) && p.k() == 1)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (epilogue.gradient_of_b() && (p.n() == 1 || desc.transpose_b == CUBLAS_OP_N))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (epilogue.gradient_of_a() && (p.m() == 1 || desc.transpose_a != CUBLAS_OP_N))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

std::size_t size_of(std::uint32_t type) {
  switch (type) {
    case CUDA_R_64F: return 8;
    case CUDA_R_32F: return 4;
    default: return 2;
  }
}

std::optional<Refusal> refusal_of(const Product& p) {
  const auto found = state().refused_epilogues.find(static_cast<cublasLtEpilogue_t>(p.desc.epilogue));
  if (found == state().refused_epilogues.end()) return std::nullopt;
  return found->second;
}

cublasStatus_t check(const Product& p) {
  for (const auto& layout : {p.a, p.b, p.c, p.d}) {
    if (!well_formed(layout)) return CUBLAS_STATUS_INVALID_VALUE;
    if (layout.batches != 1) return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (!shapes_agree(p)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!types_supported(p)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (refusal_of(p) == Refusal::not_supported) return CUBLAS_STATUS_NOT_SUPPORTED;
  return check_epilogue(p);
}

}  // namespace softwarp::simulator
