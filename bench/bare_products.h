#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace softwarp {

// c [m, n] = a [m, k] b [k, n], floats; a transposed operand is stored the other way round.
struct BareProduct {
  std::int64_t m, n, k;
  bool a_transposed, b_transposed;
};

// Products one after another, over memory of their own, as the library does them for anybody.
class BareProducts {
 public:
  virtual ~BareProducts() = default;
  // Of one run through all of them, of `runs` in a row.
  virtual double seconds(int runs) = 0;
};

// oneDNN's, for the threads that OpenMP has now.
std::unique_ptr<BareProducts> make_onednn_products(const std::vector<BareProduct>& products);
// cuBLASLt's, recorded as one graph. Throws Error if it refuses, or the build has no CUDA.
std::unique_ptr<BareProducts> make_cublaslt_products(const std::vector<BareProduct>& products);

}  // namespace softwarp
