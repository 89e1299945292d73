#include <random>
#include <unordered_map>

#include "bench/bare_products.h"
#include "bench/devices.h"
#include "host/backend/cpu/onednn.h"

namespace softwarp {
namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory random_memory(std::int64_t rows, std::int64_t cols, bool transposed) {
  const memory::dims strides = transposed ? memory::dims{1, rows} : memory::dims{cols, 1};
  memory made({{rows, cols}, memory::data_type::f32, strides}, engine());
  std::mt19937 random(1);
  auto* values = static_cast<float*>(made.get_data_handle());
  for (std::int64_t i = 0; i < rows * cols; ++i) values[i] = static_cast<float>(random()) * 0x1p-32f;
  return made;
}

class OnednnProducts final : public BareProducts {
 public:
  explicit OnednnProducts(const std::vector<BareProduct>& products) {
    for (const BareProduct& p : products) {
      const memory a = random_memory(p.m, p.k, p.a_transposed), b = random_memory(p.k, p.n, p.b_transposed),
                   c = random_memory(p.m, p.n, false);
      plans_.push_back({cpu::plan_matmul(engine(), a.get_desc(), b.get_desc(), c.get_desc()),
                        {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}}});
    }
  }
  double seconds(int runs) override {
    return seconds_of(runs, [this] {
      for (Plan& plan : plans_) plan.product.execute(stream_, plan.arguments);
    });
  }

 private:
  struct Plan {
    dnnl::matmul product;
    std::unordered_map<int, memory> arguments;
  };
  dnnl::stream stream_{engine()};
  std::vector<Plan> plans_;
};

}  // namespace

std::unique_ptr<BareProducts> make_onednn_products(const std::vector<BareProduct>& products) {
  return std::make_unique<OnednnProducts>(products);
}

}  // namespace softwarp
