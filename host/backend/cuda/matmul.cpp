#include "host/backend/cuda/matmul.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

namespace softwarp::cuda {
namespace {

constexpr std::uint32_t kBestAlignment = 256;

MatrixLayout layout(std::int64_t rows, std::int64_t cols) {
  return make<MatrixLayout>(cublasLtMatrixLayoutCreate, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                            static_cast<std::uint64_t>(cols), rows);
}

MatrixLayout layout(cublasOperation_t op, std::int64_t rows, std::int64_t cols) {
  return op == CUBLAS_OP_N ? layout(rows, cols) : layout(cols, rows);
}

template <class T>
void set(const MatmulDesc& desc, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  check(
      cublasLtMatmulDescSetAttribute(desc.get(), attribute, static_cast<const void*>(&value), sizeof value));
}

template <class T>
void set(const MatmulPreference& preference, cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value));
}

// The largest power of two that divides the address, up to what matters. Nothing is aligned as well as can
// be.
std::uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return address == 0 ? kBestAlignment
                      : std::min(kBestAlignment, 1u << std::min(std::countr_zero(address), 8));
}

std::array<std::uint32_t, 5> alignment_of(const MatmulOperands& o) {
  return {alignment_of(o.a), alignment_of(o.b), alignment_of(o.d), alignment_of(o.vector),
          alignment_of(o.aux)};
}

}  // namespace

Matmul::Matmul(const MatmulContext& context, const MatmulShape& shape)
    : context_(context),
      desc_(make<MatmulDesc>(cublasLtMatmulDescCreate, context.compute, CUDA_R_32F)),
      a_(layout(shape.a, shape.m, shape.k)),
      b_(layout(shape.b, shape.k, shape.n)),
      d_(layout(shape.m, shape.n)) {
  set(desc_, CUBLASLT_MATMUL_DESC_TRANSA, shape.a);
  set(desc_, CUBLASLT_MATMUL_DESC_TRANSB, shape.b);
  set(desc_, CUBLASLT_MATMUL_DESC_EPILOGUE, shape.epilogue);
  if (shape.aux_stride > 0) set(desc_, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, shape.aux_stride);
  // No operands are known yet. The workspace is a pointer that is aligned as well as those will be.
  const auto stand_in = static_cast<float*>(context.workspace);
  choice_for({stand_in, stand_in, stand_in, stand_in, stand_in});
}

void Matmul::point_to(const MatmulOperands& operands) {
  set(desc_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, operands.vector);
  set(desc_, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, operands.aux);
}

// The heuristic reads the vector's and aux's alignment from the pointers themselves, the others' from the
// preference.
Matmul::Choice& Matmul::choice_for(const MatmulOperands& operands) {
  point_to(operands);
  const auto alignment = alignment_of(operands);
  const auto known = std::ranges::find(choices_, alignment, &Choice::alignment);
  if (known != choices_.end()) return *known;

  const auto preference = make<MatmulPreference>(cublasLtMatmulPreferenceCreate);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, context_.workspace_bytes);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment[0]);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment[1]);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment[2]);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment[2]);
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(context_.library, desc_.get(), a_.get(), b_.get(), d_.get(), d_.get(),
                                     preference.get(), 1, &result, &found);
  if (status == CUBLAS_STATUS_SUCCESS) status = found > 0 ? result.state : CUBLAS_STATUS_NOT_SUPPORTED;
  return choices_.emplace_back(Choice{alignment, status, result.algo});
}

cublasStatus_t Matmul::run(const MatmulOperands& operands) {
  Choice& choice = choice_for(operands);
  if (choice.status != CUBLAS_STATUS_SUCCESS) return choice.status;
  const float one = 1, zero = 0;
  const cublasStatus_t status =
      cublasLtMatmul(context_.library, desc_.get(), &one, operands.a, a_.get(), operands.b, b_.get(), &zero,
                     operands.d, d_.get(), operands.d, d_.get(), &choice.algo, context_.workspace,
                     context_.workspace_bytes, context_.stream);
  if (choice.has_run) check(status);
  choice.has_run = true;
  choice.status = status;
  return status;
}

}  // namespace softwarp::cuda
