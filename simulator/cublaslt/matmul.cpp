// Choosing an algorithm, and running the product with it.

#include <algorithm>
#include <bit>
#include <cstring>

#include "simulator/cublaslt/objects.h"
#include "simulator/engine/memory.h"
#include "simulator/engine/queue.h"
#include "simulator/engine/report.h"
#include "simulator/engine/state.h"

using namespace softwarp::simulator;

namespace {

constexpr std::uint64_t kMostWorkspace = 64 << 10;  // enough to show who forgets it

// The problem that an algorithm was chosen for; it works for no other.
struct Choice {
  std::uint64_t problem;
  std::uint64_t workspace;
  std::uint32_t alignment[6];  // of A, B, C, D, bias, aux
};
static_assert(sizeof(Choice) <= sizeof(cublasLtMatmulAlgo_t));

std::uint64_t fingerprint(const Product& p) {
  std::uint64_t hash = p.desc.epilogue;
  const auto mix = [&](auto value) { hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x100000001b3u; };
  for (const auto value : {p.desc.compute, p.desc.scale, p.desc.transpose_a, p.desc.transpose_b}) mix(value);
  mix(p.desc.aux_ld);
  for (const auto& layout : {p.a, p.b, p.c, p.d}) {
    mix(layout.type), mix(layout.order), mix(layout.rows), mix(layout.cols), mix(layout.ld);
  }
  return hash;
}

// The largest power of two, up to 256, that divides the address; a null pointer will be aligned well.
std::uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return address == 0 ? 256 : std::min(256u, 1u << std::min(std::countr_zero(address), 8));
}

Choice choose(const Product& p, const cublasLtMatmulPreferenceOpaque_t& preference) {
  Choice choice{fingerprint(p), std::min(preference.workspace, kMostWorkspace), {}};
  std::ranges::copy(preference.alignment, choice.alignment);
  choice.alignment[4] = alignment_of(p.desc.bias);
  choice.alignment[5] = alignment_of(p.desc.aux);
  return choice;
}

// As load_from_library tells it from others.
std::string name_of(const Choice& choice) {
  std::string name = "the algorithm for product " + std::to_string(choice.problem) + ", alignments";
  for (const std::uint32_t alignment : choice.alignment) name += " " + std::to_string(alignment);
  return name;
}

std::vector<const void*> pointers_of(const Product& p, const void* a, const void* b, const void* c,
                                     const void* d) {
  return {
      a, b, c, d, p.epilogue().vector() ? p.desc.bias : nullptr, p.epilogue().aux() ? p.desc.aux : nullptr};
}

// A kernel that was chosen for better aligned pointers would fault.
bool aligned_enough(const Choice& choice, const std::vector<const void*>& pointers) {
  static constexpr const char* kNames[] = {"A", "B", "C", "D", "the bias", "the auxiliary buffer"};
  for (std::size_t i = 0; i < pointers.size(); ++i)
    if (alignment_of(pointers[i]) < choice.alignment[i]) {
      report(std::string("cublasLtMatmul: ") + kNames[i] +
             " is less aligned than the algorithm was chosen for");
      return false;
    }
  return true;
}

std::vector<Extent> extents_of(const Product& p, const std::vector<const void*>& pointers, bool reads_c) {
  const auto aux_elements = static_cast<std::size_t>(p.desc.aux_ld) * (p.n() - 1) + p.m();
  std::vector<Extent> extents{{pointers[0], p.a.extent() * size_of(p.a.type)},
                              {pointers[1], p.b.extent() * size_of(p.b.type)},
                              {pointers[3], p.d.extent() * size_of(p.d.type)}};
  if (reads_c) extents.push_back({pointers[2], p.c.extent() * size_of(p.c.type)});
  if (p.epilogue().vector()) extents.push_back({p.desc.bias, p.vector_length() * size_of(p.d.type)});
  if (p.epilogue().aux())
    extents.push_back(
        {p.desc.aux, p.epilogue().mask() ? (aux_elements + 7) / 8 : aux_elements * size_of(p.d.type)});
  return extents;
}

double read_scalar(const void* pointer, std::int32_t type) {
  if (type == CUDA_R_64F) return *static_cast<const double*>(pointer);
  return static_cast<double>(*static_cast<const float*>(pointer));
}

}  // namespace

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  *found = 0;
  if (const auto fault = begin_library_call("cublasLtMatmulAlgoGetHeuristic"); fault != CUBLAS_STATUS_SUCCESS)
    return fault;
  for (const void* object : std::initializer_list<const void*>{handle, desc, a, b, c, d, preference})
    if (!is_object(object)) return CUBLAS_STATUS_INVALID_VALUE;
  if (requested <= 0) return CUBLAS_STATUS_INVALID_VALUE;
  const Product product{*desc, *a, *b, *c, *d};
  if (const auto refused = check(product); refused != CUBLAS_STATUS_SUCCESS) return refused;
  const auto refusal = refusal_of(product);
  if (refusal == Refusal::internal_error) return CUBLAS_STATUS_INTERNAL_ERROR;
  if (refusal == Refusal::none_found) return CUBLAS_STATUS_SUCCESS;
  const Choice choice = choose(product, *preference);
  if (load_from_library("cublasLtMatmulAlgoGetHeuristic: " + name_of(choice)) != cudaSuccess)
    return CUBLAS_STATUS_INTERNAL_ERROR;
  results[0] = {};
  if (refusal == Refusal::bad_state) results[0].state = CUBLAS_STATUS_NOT_SUPPORTED;
  std::memcpy(&results[0].algo, &choice, sizeof choice);
  results[0].workspaceSize = choice.workspace;
  results[0].wavesCount = 1;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algo, void* workspace, std::size_t workspace_bytes,
                              cudaStream_t stream) {
  if (const auto fault = begin_library_call("cublasLtMatmul"); fault != CUBLAS_STATUS_SUCCESS) return fault;
  if (state().lost != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
  for (const void* object :
       std::initializer_list<const void*>{handle, desc, a_layout, b_layout, c_layout, d_layout})
    if (!is_object(object)) return CUBLAS_STATUS_INVALID_VALUE;
  const Product product{*desc, *a_layout, *b_layout, *c_layout, *d_layout};
  if (const auto refused = check(product); refused != CUBLAS_STATUS_SUCCESS) return refused;
  if (refusal_of(product) == Refusal::product) return CUBLAS_STATUS_NOT_SUPPORTED;
  const auto epilogue = product.epilogue();
  for (const void* pointer : {alpha, a, b, beta, static_cast<const void*>(d)})
    if (pointer == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if ((epilogue.vector() && desc->bias == nullptr) || (epilogue.aux() && desc->aux == nullptr))
    return CUBLAS_STATUS_INVALID_VALUE;

  Choice choice{fingerprint(product), 0, {}};
  if (algo != nullptr) std::memcpy(&choice, algo, sizeof choice);
  if (choice.problem != fingerprint(product)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (workspace_bytes < choice.workspace || (choice.workspace > 0 && workspace == nullptr))
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto pointers = pointers_of(product, a, b, c, d);
  if (!aligned_enough(choice, pointers)) return CUBLAS_STATUS_EXECUTION_FAILED;

  if (load_from_library("cublasLtMatmul: " + name_of(choice)) != cudaSuccess)
    return CUBLAS_STATUS_EXECUTION_FAILED;
  const bool host_scalars = desc->pointer_mode == CUBLASLT_POINTER_MODE_HOST;
  const double alpha_now = host_scalars ? read_scalar(alpha, desc->scale) : 0;
  const double beta_now = host_scalars ? read_scalar(beta, desc->scale) : 0;
  auto extents = extents_of(product, pointers, !host_scalars || beta_now != 0);
  if (choice.workspace > 0) extents.push_back({workspace, workspace_bytes});
  const auto status = queue_library_work("cublasLtMatmul", stream, extents, [=, bytes = choice.workspace] {
    ++state().host.products;
    if (bytes > 0) std::memset(workspace, 0xff, bytes);
    compute(product, host_scalars ? alpha_now : read_scalar(alpha, product.desc.scale), a, b,
            host_scalars ? beta_now : read_scalar(beta, product.desc.scale), c, d);
    return cudaSuccess;
  });
  return status == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
