#include <random>

#include "bench/bare_products.h"
#include "bench/devices.h"
#include "host/backend/cuda/matmul.h"
#include "host/backend/cuda/recording.h"

namespace softwarp {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what cuBLAS advises for Hopper

class CublasltProducts final : public BareProducts {
 public:
  explicit CublasltProducts(const std::vector<BareProduct>& products) {
    context_.library = library_.get();
    context_.workspace = take(kWorkspaceBytes);
    context_.workspace_bytes = kWorkspaceBytes;
    context_.stream = stream_.get();
    std::vector<Prepared> prepared = prepare(products);
    graph_ = cuda::record(stream_.get(), [&] {
      for (Prepared& p : prepared) cuda::check(p.product.run(p.operands));
    });
  }
  double seconds(int runs) override {
    return seconds_of(
        runs, [this] { check(cudaGraphLaunch(graph_.get(), stream_.get())); },
        [this] { check(cudaStreamSynchronize(stream_.get())); });
  }

 private:
  struct Prepared {
    cuda::Matmul product;
    cuda::MatmulOperands operands;
  };

  // cuBLASLt sees a row-major matrix as its transpose: cᵀ = bᵀ aᵀ.
  std::vector<Prepared> prepare(const std::vector<BareProduct>& products) {
    std::vector<Prepared> prepared;
    for (const BareProduct& p : products) {
      prepared.push_back(
          {cuda::Matmul(context_, {.a = p.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                                   .b = p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                                   .m = p.n,
                                   .n = p.m,
                                   .k = p.k}),
           {.a = random_floats(p.k * p.n), .b = random_floats(p.m * p.k), .d = random_floats(p.m * p.n)}});
    }
    return prepared;
  }

  float* random_floats(std::int64_t size) {
    std::mt19937 random(1);
    std::vector<float> values(static_cast<std::size_t>(size));
    for (float& v : values) v = static_cast<float>(random()) * 0x1p-32f;
    auto* const memory = static_cast<float*>(take(values.size() * sizeof(float)));
    check(cudaMemcpy(memory, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
    return memory;
  }

  void* take(std::size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes));
    memory_.emplace_back(memory);
    return memory;
  }

  cuda::LtHandle library_ = cuda::make<cuda::LtHandle>(cublasLtCreate);
  cuda::Stream stream_ = cuda::make<cuda::Stream>(cudaStreamCreateWithFlags, unsigned{cudaStreamNonBlocking});
  std::vector<cuda::DeviceMemory> memory_;
  cuda::MatmulContext context_;
  cuda::GraphExec graph_;
};

}  // namespace

std::unique_ptr<BareProducts> make_cublaslt_products(const std::vector<BareProduct>& products) {
  return std::make_unique<CublasltProducts>(products);
}

}  // namespace softwarp
