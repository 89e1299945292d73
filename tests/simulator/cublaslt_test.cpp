// cuBLASLt's products against plain loops in double: every epilogue, every transpose, and what is refused.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>

#include "simulator/testing.h"

namespace softwarp::simulator {
namespace {

// A product D[m x n] = op(A) op(B) of float matrices, column-major, leading dimensions larger than needed.
struct Case {
  std::uint64_t m = 5, n = 4, k = 3;
  bool transpose_a = false;
  bool transpose_b = false;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  std::int64_t aux_ld = 128;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  std::uint64_t workspace = 0;
  std::size_t offset_of_a = 0;  // elements by which A is misaligned
  bool expect_bias = true;
  enum class Captured { nothing, heuristic, product } captured = Captured::nothing;
};

// The call's status while some stream captures.
cublasStatus_t while_capturing(bool captures, const std::function<cublasStatus_t()>& call) {
  if (!captures) return call();
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  const cublasStatus_t status = call();
  if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
  cudaGetLastError();
  return status;
}

template <class T>
std::vector<T> some_values(std::size_t count, int seed) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<T>(std::sin(static_cast<double>(i * 7 + 1) * seed));
  return values;
}

class CublasLt : public SimulatorTest {
 protected:
  static constexpr std::uint64_t kPad = 3;

  explicit CublasLt() = default;

  // Fills `result` with D; the bias and the auxiliary buffer keep what the product wrote.
  cublasStatus_t multiply(const Case& c, float alpha = 1, float beta = 0) {
    const auto lda = (c.transpose_a ? c.k : c.m) + kPad, ldb = (c.transpose_b ? c.n : c.k) + kPad,
               ldd = c.m + kPad;
    a_ = some_values<float>(lda * (c.transpose_a ? c.m : c.k), 1);
    b_ = some_values<float>(ldb * (c.transpose_b ? c.k : c.n), 2);
    c_ = some_values<float>(ldd * c.n, 3);
    const DeviceArray<float> a(a_), b(b_), d(c_), bias(bias_), workspace(1 << 14);
    const DeviceArray<unsigned char> aux(aux_);

    cublasLtHandle_t handle = nullptr;
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t layout_a = nullptr, layout_b = nullptr, layout_d = nullptr;
    cublasLtMatmulPreference_t preference = nullptr;
    cublasLtCreate(&handle);
    cublasLtMatmulDescCreate(&desc, c.compute, CUDA_R_32F);
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
      EXPECT_EQ(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof value), CUBLAS_STATUS_SUCCESS);
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, c.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, c.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, c.epilogue);
    if (c.expect_bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.as<void>());
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aux.as<void>());
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, c.aux_ld);
    const auto signed_ld = [](std::uint64_t ld) { return static_cast<std::int64_t>(ld); };
    cublasLtMatrixLayoutCreate(&layout_a, CUDA_R_32F, c.transpose_a ? c.k : c.m, c.transpose_a ? c.m : c.k,
                               signed_ld(lda));
    cublasLtMatrixLayoutCreate(&layout_b, CUDA_R_32F, c.transpose_b ? c.n : c.k, c.transpose_b ? c.k : c.n,
                               signed_ld(ldb));
    cublasLtMatrixLayoutCreate(&layout_d, CUDA_R_32F, c.m, c.n, signed_ld(ldd));
    cublasLtMatmulPreferenceCreate(&preference);
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &c.workspace,
                                         sizeof c.workspace);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    auto status = while_capturing(c.captured == Case::Captured::heuristic, [&] {
      return cublasLtMatmulAlgoGetHeuristic(handle, desc, layout_a, layout_b, layout_d, layout_d, preference,
                                            1, &found, &count);
    });
    if (status == CUBLAS_STATUS_SUCCESS) {
      EXPECT_EQ(count, 1);
      status = while_capturing(c.captured == Case::Captured::product, [&] {
        return cublasLtMatmul(handle, desc, &alpha, a.data() + c.offset_of_a, layout_a, b.data(), layout_b,
                              &beta, d.data(), layout_d, d.data(), layout_d, &found.algo, workspace.data(),
                              found.workspaceSize, nullptr);
      });
    }
    if (status == CUBLAS_STATUS_SUCCESS) {
      d_ = d.download();
      bias_ = bias.download();
      aux_ = aux.download();
    }
    cublasLtMatmulPreferenceDestroy(preference);
    for (const auto layout : {layout_a, layout_b, layout_d}) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulDescDestroy(desc);
    cublasLtDestroy(handle);
    return status;
  }

  double op_a(const Case& c, std::uint64_t i, std::uint64_t l) const {
    return static_cast<double>(c.transpose_a ? a_[i * (c.k + kPad) + l] : a_[l * (c.m + kPad) + i]);
  }
  double op_b(const Case& c, std::uint64_t l, std::uint64_t j) const {
    return static_cast<double>(c.transpose_b ? b_[l * (c.n + kPad) + j] : b_[j * (c.k + kPad) + l]);
  }
  double product(const Case& c, std::uint64_t i, std::uint64_t j) const {
    double sum = 0;
    for (std::uint64_t l = 0; l < c.k; ++l) sum += op_a(c, i, l) * op_b(c, l, j);
    return sum;
  }
  double d(const Case& c, std::uint64_t i, std::uint64_t j) const {
    return static_cast<double>(d_[j * (c.m + kPad) + i]);
  }

  // Compares every element of D with a function of its row, its column and the plain product.
  void expect(const Case& c, const std::function<double(std::uint64_t, std::uint64_t, double)>& reference,
              double tolerance = 1e-6) const {
    for (std::uint64_t j = 0; j < c.n; ++j)
      for (std::uint64_t i = 0; i < c.m; ++i)
        EXPECT_NEAR(d(c, i, j), reference(i, j, product(c, i, j)), tolerance) << i << "," << j;
  }

  std::vector<float> a_, b_, c_, d_;
  std::vector<float> bias_ = some_values<float>(8, 4);
  std::vector<unsigned char> aux_ = std::vector<unsigned char>(4096);
};

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

TEST_F(CublasLt, MultipliesEveryTranspose) {
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true}) {
      const Case c{.transpose_a = transpose_a, .transpose_b = transpose_b, .workspace = 1 << 14};
      EXPECT_EQ(multiply(c, 0.5f, 2.0f), CUBLAS_STATUS_SUCCESS);
      expect(c, [&](auto i, auto j, double x) {
        return 0.5 * x + 2 * static_cast<double>(c_[j * (c.m + kPad) + i]);
      });
    }
  EXPECT_EQ(host_counters().products, 4);
}

TEST_F(CublasLt, RoundsInputsAsTheComputeTypeDoes) {
  for (const auto& [compute, least, most] : {std::tuple{CUBLAS_COMPUTE_32F_FAST_16BF, 1e-4, 2e-2},
                                             std::tuple{CUBLAS_COMPUTE_32F_FAST_TF32, 1e-6, 2e-3}}) {
    const Case c{.compute = compute};
    EXPECT_EQ(multiply(c), CUBLAS_STATUS_SUCCESS);
    double worst = 0;
    for (std::uint64_t i = 0; i < c.m; ++i) worst = std::max(worst, std::fabs(d(c, i, 0) - product(c, i, 0)));
    EXPECT_GT(worst, least);
    EXPECT_LT(worst, most);
  }
}

TEST_F(CublasLt, AddsTheBiasAndAppliesReluAndGelu) {
  const auto biased = [&](auto i, double x) { return x + static_cast<double>(bias_[i]); };
  const auto relu = [](double x) { return x > 0 ? x : 0; };
  const auto with = [&](cublasLtEpilogue_t epilogue) {
    const Case c{.epilogue = epilogue};
    EXPECT_EQ(multiply(c), CUBLAS_STATUS_SUCCESS);
    return c;
  };
  expect(with(CUBLASLT_EPILOGUE_BIAS), [&](auto i, auto, double x) { return biased(i, x); });
  expect(with(CUBLASLT_EPILOGUE_RELU), [&](auto, auto, double x) { return relu(x); });
  expect(with(CUBLASLT_EPILOGUE_RELU_BIAS), [&](auto i, auto, double x) { return relu(biased(i, x)); });
  expect(with(CUBLASLT_EPILOGUE_GELU_BIAS), [&](auto i, auto, double x) { return gelu(biased(i, x)); });
}

// The gradient epilogues read what the forward ones left in the auxiliary buffer.
TEST_F(CublasLt, AppliesTheGradientThatTheForwardProductLeft) {
  for (const bool relu : {true, false}) {
    const auto bias = bias_ = some_values<float>(8, 4);
    const Case forward{.epilogue = relu ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_AUX_BIAS};
    const Case backward{.epilogue = relu ? CUBLASLT_EPILOGUE_DRELU_BGRAD : CUBLASLT_EPILOGUE_DGELU_BGRAD};
    EXPECT_EQ(multiply(forward), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(multiply(backward), CUBLAS_STATUS_SUCCESS);
    const auto slope = [&](double x) {
      if (relu) return x > 0 ? 1.0 : 0.0;
      return (gelu(x + 1e-6) - gelu(x - 1e-6)) / 2e-6;
    };
    expect(backward, [&](auto i, auto, double x) { return x * slope(x + static_cast<double>(bias[i])); });
    for (std::uint64_t i = 0; i < backward.m; ++i) {
      double sum = 0;
      for (std::uint64_t j = 0; j < backward.n; ++j) sum += d(backward, i, j);
      EXPECT_NEAR(static_cast<double>(bias_[i]), sum, 1e-6);
    }
  }
}

TEST_F(CublasLt, SumsTheInputsForBiasGradients) {
  const Case of_a{.epilogue = CUBLASLT_EPILOGUE_BGRADA};
  EXPECT_EQ(multiply(of_a), CUBLAS_STATUS_SUCCESS);
  for (std::uint64_t i = 0; i < of_a.m; ++i)
    EXPECT_NEAR(static_cast<double>(bias_[i]), op_a(of_a, i, 0) + op_a(of_a, i, 1) + op_a(of_a, i, 2), 1e-6);
  const Case of_b{.transpose_b = true, .epilogue = CUBLASLT_EPILOGUE_BGRADB};
  EXPECT_EQ(multiply(of_b), CUBLAS_STATUS_SUCCESS);
  expect(of_b, [](auto, auto, double x) { return x; });
  for (std::uint64_t j = 0; j < of_b.n; ++j)
    EXPECT_NEAR(static_cast<double>(bias_[j]), op_b(of_b, 0, j) + op_b(of_b, 1, j) + op_b(of_b, 2, j), 1e-6);
}

TEST_F(CublasLt, RefusesWhatTheLibraryRefuses) {
  using enum cublasLtEpilogue_t;
  EXPECT_EQ(multiply({.epilogue = CUBLASLT_EPILOGUE_RELU_AUX_BIAS, .aux_ld = 64}),
            CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(multiply({.m = 129, .epilogue = CUBLASLT_EPILOGUE_DRELU, .aux_ld = 128}),
            CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(multiply({.epilogue = CUBLASLT_EPILOGUE_GELU_AUX, .aux_ld = 12}), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(multiply({.k = 1, .epilogue = CUBLASLT_EPILOGUE_DRELU_BGRAD}), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(multiply({.epilogue = CUBLASLT_EPILOGUE_BGRADB}), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(multiply({.n = 1, .transpose_b = true, .epilogue = CUBLASLT_EPILOGUE_BGRADB}),
            CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(multiply({.compute = CUBLAS_COMPUTE_64F}), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(multiply({.epilogue = CUBLASLT_EPILOGUE_BIAS, .expect_bias = false}),
            CUBLAS_STATUS_INVALID_VALUE);
  refuse_epilogue(CUBLASLT_EPILOGUE_BIAS);
  EXPECT_EQ(multiply({.epilogue = CUBLASLT_EPILOGUE_BIAS}), CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(CublasLt, LoadsNothingWhileAStreamCaptures) {
  using enum Case::Captured;
  const auto expect_refusal = [&](const Case& c, cublasStatus_t status, const std::string& words) {
    EXPECT_EQ(multiply(c), status);
    const auto errors = take_errors();
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_EQ(errors[0].find(words + ": the algorithm for product "), 0u) << errors[0];
    EXPECT_NE(errors[0].find("is used for the first time while a stream captures"), std::string::npos);
  };
  expect_refusal({.captured = heuristic}, CUBLAS_STATUS_INTERNAL_ERROR, "cublasLtMatmulAlgoGetHeuristic");
  expect_refusal({.captured = product}, CUBLAS_STATUS_EXECUTION_FAILED, "cublasLtMatmul");
  EXPECT_EQ(multiply({}), CUBLAS_STATUS_SUCCESS);
  for (const auto captured : {heuristic, product})
    EXPECT_EQ(multiply({.captured = captured}), CUBLAS_STATUS_SUCCESS) << "both were used before";
  expect_refusal({.m = 6, .captured = product}, CUBLAS_STATUS_EXECUTION_FAILED, "cublasLtMatmul");
}

TEST_F(CublasLt, KeepsToTheAlignmentThatTheAlgorithmWasChosenFor) {
  EXPECT_EQ(multiply({.offset_of_a = 1}), CUBLAS_STATUS_EXECUTION_FAILED);
  const auto errors = take_errors();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(errors[0].find("A is less aligned"), std::string::npos) << errors[0];
}

}  // namespace
}  // namespace softwarp::simulator
