// A product by cuBLASLt, however its operands are aligned.

#include "host/backend/cuda/matmul.h"

#include <algorithm>
#include <cmath>

#include "simulator/testing.h"

namespace softwarp::cuda {
namespace {

using Floats = std::vector<float>;

constexpr std::int64_t kM = 16, kN = 5, kK = 7;

Floats some_values(std::int64_t count, int seed) {
  Floats values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(std::sin(static_cast<double>((i * 7 + 1) * seed))));
  return values;
}

// Values that lie some floats behind a border of 256 bytes.
class Shifted {
 public:
  Shifted(const Floats& values, std::size_t shift) : shift_(shift), memory_(shifted(values, shift)) {}
  float* data() const { return memory_.data() + shift_; }
  Floats values() const {
    const Floats all = memory_.download();
    return Floats(all.begin() + static_cast<std::ptrdiff_t>(shift_), all.end());
  }

 private:
  static Floats shifted(const Floats& values, std::size_t shift) {
    Floats all(shift);
    all.insert(all.end(), values.begin(), values.end());
    return all;
  }
  std::size_t shift_;
  simulator::DeviceArray<float> memory_;
};

// By how many floats A, B, D, the bias and the auxiliary matrix are off alignment.
using Shifts = std::array<std::size_t, 5>;

struct Epilogue {
  cublasLtEpilogue_t kind;
  std::int64_t aux_stride = 0;
};

// One element, of the sum of products.
double definition(cublasLtEpilogue_t epilogue, double sum, double bias) {
  const double z = epilogue == CUBLASLT_EPILOGUE_DEFAULT ? sum : sum + bias;
  switch (epilogue) {
    case CUBLASLT_EPILOGUE_RELU_BIAS:
    case CUBLASLT_EPILOGUE_RELU_AUX_BIAS: return std::max(z, 0.0);
    case CUBLASLT_EPILOGUE_GELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU_AUX_BIAS:
      return z / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (z + 0.044715 * z * z * z)));
    default: return z;
  }
}

class CudaMatmul : public simulator::SimulatorTest {
 protected:
  // D = Aᵀ B, column-major.
  static void expect_definition(Matmul& product, const Epilogue& epilogue, const Shifts& shifts) {
    const Floats a = some_values(kK * kM, 1), b = some_values(kK * kN, 2), bias = some_values(kM, 3);
    const Shifted on_a(a, shifts[0]), on_b(b, shifts[1]), on_d(Floats(kM * kN, NAN), shifts[2]),
        vector(bias, shifts[3]), aux(Floats(128 * kN), shifts[4]);
    ASSERT_EQ(product.run({.a = on_a.data(),
                           .b = on_b.data(),
                           .d = on_d.data(),
                           .vector = vector.data(),
                           .aux = epilogue.aux_stride > 0 ? aux.data() : nullptr}),
              CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    const Floats d = on_d.values();
    for (std::size_t j = 0; j < kN; ++j)
      for (std::size_t i = 0; i < kM; ++i) {
        double sum = 0;
        for (std::size_t l = 0; l < kK; ++l) sum += double{a[i * kK + l]} * double{b[j * kK + l]};
        EXPECT_NEAR(d[j * kM + i], definition(epilogue.kind, sum, double{bias[i]}), 1e-5)
            << "row " << i << " column " << j;
      }
  }
};

TEST_F(CudaMatmul, MatchesTheDefinitionHoweverItsOperandsAreAligned) {
  const auto library = make<LtHandle>(cublasLtCreate);
  const simulator::DeviceArray<float> workspace(1 << 14);
  const MatmulContext setting{
      .library = library.get(), .workspace = workspace.data(), .workspace_bytes = sizeof(float) << 14};
  for (const Epilogue& epilogue : {Epilogue{CUBLASLT_EPILOGUE_DEFAULT},
                                   {CUBLASLT_EPILOGUE_BIAS},
                                   {CUBLASLT_EPILOGUE_RELU_BIAS},
                                   {CUBLASLT_EPILOGUE_GELU_BIAS},
                                   {CUBLASLT_EPILOGUE_RELU_AUX_BIAS, 128},
                                   {CUBLASLT_EPILOGUE_GELU_AUX_BIAS, 16}}) {
    Matmul product(setting, {.a = CUBLAS_OP_T,
                             .b = CUBLAS_OP_N,
                             .m = kM,
                             .n = kN,
                             .k = kK,
                             .epilogue = epilogue.kind,
                             .aux_stride = epilogue.aux_stride});
    ASSERT_EQ(product.status(), CUBLAS_STATUS_SUCCESS);
    expect_definition(product, epilogue, {});
    for (const std::size_t shift : {1, 2, 4, 32})
      for (std::size_t which = 0; which < 5; ++which) {
        SCOPED_TRACE(testing::Message()
                     << "epilogue " << epilogue.kind << ", operand " << which << " off by " << shift);
        Shifts shifts{};
        shifts[which] = shift;
        expect_definition(product, epilogue, shifts);
      }
    expect_definition(product, epilogue, {1, 1, 1, 1, 1});
    expect_definition(product, epilogue, {});
  }
}

}  // namespace
}  // namespace softwarp::cuda
