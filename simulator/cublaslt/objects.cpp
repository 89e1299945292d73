// Making, describing and destroying cuBLASLt's objects.

#include "simulator/cublaslt/objects.h"

#include <cstring>

#include "simulator/engine/state.h"

using namespace softwarp::simulator;

namespace {

template <class T>
cublasStatus_t create(T** handle, const char* function, const char* kind) {
  *handle = nullptr;
  if (const auto fault = begin_library_call(function); fault != CUBLAS_STATUS_SUCCESS) return fault;
  *handle = make_object<T>(kind);
  return CUBLAS_STATUS_SUCCESS;
}

// Destroys even where a fault makes it say that it failed.
cublasStatus_t destroy(const void* handle, const char* function) {
  const cublasStatus_t fault = begin_library_call(function);
  const bool existed = objects().erase(handle) == 1;
  if (fault != CUBLAS_STATUS_SUCCESS) return fault;
  return existed ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

template <class T>
cublasStatus_t assign(T& member, const void* value, std::size_t bytes) {
  if (value == nullptr || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&member, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

// Sets an attribute of an object that must exist.
template <class T, class Setter>
cublasStatus_t set(T* object, const char* function, Setter&& setter) {
  if (const auto fault = begin_library_call(function); fault != CUBLAS_STATUS_SUCCESS) return fault;
  return is_object(object) ? setter(*object) : CUBLAS_STATUS_INVALID_VALUE;
}

}  // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = nullptr;
  const Device& device = state().device;
  if (device.count == 0 || device.driver != cudaSuccess || state().lost != cudaSuccess)
    return CUBLAS_STATUS_NOT_INITIALIZED;
  return create(handle, "cublasLtCreate", "cuBLASLt handle");
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroy(handle, "cublasLtDestroy"); }

const char* cublasLtGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR: return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_LICENSE_ERROR: return "CUBLAS_STATUS_LICENSE_ERROR";
  }
  return "unknown cuBLAS status";
}

const char* cublasLtGetStatusString(cublasStatus_t status) { return cublasLtGetStatusName(status); }

std::size_t cublasLtGetVersion() { return 130000; }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          std::uint64_t rows, std::uint64_t cols, std::int64_t ld) {
  const auto status = create(layout, "cublasLtMatrixLayoutCreate", "cuBLASLt matrix layout");
  if (status == CUBLAS_STATUS_SUCCESS) **layout = {.type = type, .rows = rows, .cols = cols, .ld = ld};
  return status;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy(layout, "cublasLtMatrixLayoutDestroy");
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                std::size_t bytes) {
  return set(layout, "cublasLtMatrixLayoutSetAttribute", [&](cublasLtMatrixLayoutOpaque_t& l) {
    switch (attribute) {
      case CUBLASLT_MATRIX_LAYOUT_TYPE: return assign(l.type, value, bytes);
      case CUBLASLT_MATRIX_LAYOUT_ORDER: return assign(l.order, value, bytes);
      case CUBLASLT_MATRIX_LAYOUT_ROWS: return assign(l.rows, value, bytes);
      case CUBLASLT_MATRIX_LAYOUT_COLS: return assign(l.cols, value, bytes);
      case CUBLASLT_MATRIX_LAYOUT_LD: return assign(l.ld, value, bytes);
      case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return assign(l.batches, value, bytes);
      case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return CUBLAS_STATUS_SUCCESS;
    }
    return CUBLAS_STATUS_INVALID_VALUE;
  });
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  const auto status = create(desc, "cublasLtMatmulDescCreate", "cuBLASLt product descriptor");
  if (status == CUBLAS_STATUS_SUCCESS) {
    (*desc)->compute = compute;
    (*desc)->scale = scale;
  }
  return status;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  return destroy(desc, "cublasLtMatmulDescDestroy");
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              std::size_t bytes) {
  return set(desc, "cublasLtMatmulDescSetAttribute", [&](cublasLtMatmulDescOpaque_t& d) {
    switch (attribute) {
      case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE: return assign(d.compute, value, bytes);
      case CUBLASLT_MATMUL_DESC_SCALE_TYPE: return assign(d.scale, value, bytes);
      case CUBLASLT_MATMUL_DESC_POINTER_MODE: return assign(d.pointer_mode, value, bytes);
      case CUBLASLT_MATMUL_DESC_TRANSA: return assign(d.transpose_a, value, bytes);
      case CUBLASLT_MATMUL_DESC_TRANSB: return assign(d.transpose_b, value, bytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE: return assign(d.epilogue, value, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return assign(d.bias, value, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return assign(d.bias_type, value, bytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER: return assign(d.aux, value, bytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: return assign(d.aux_ld, value, bytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE: return assign(d.aux_type, value, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
  });
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return create(preference, "cublasLtMatmulPreferenceCreate", "cuBLASLt preference");
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy(preference, "cublasLtMatmulPreferenceDestroy");
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, std::size_t bytes) {
  return set(preference, "cublasLtMatmulPreferenceSetAttribute", [&](cublasLtMatmulPreferenceOpaque_t& p) {
    switch (attribute) {
      case CUBLASLT_MATMUL_PREF_SEARCH_MODE:
      case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return CUBLAS_STATUS_SUCCESS;
      case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return assign(p.workspace, value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return assign(p.alignment[0], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return assign(p.alignment[1], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return assign(p.alignment[2], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return assign(p.alignment[3], value, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
  });
}
