#pragma once

#include <cstdint>
#include <memory>

namespace softwarp {

// oneDNN's product alone, over memory of its own: c [m, n] = a [m, k] b [k, n]; a transposed operand is
// stored the other way round. Planned for the threads that OpenMP has when it is made.
class BareProduct {
 public:
  BareProduct(std::int64_t m, std::int64_t n, std::int64_t k, bool a_transposed, bool b_transposed);
  ~BareProduct();
  BareProduct(BareProduct&&) noexcept;
  BareProduct& operator=(BareProduct&&) noexcept;
  void run();

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace softwarp
