#include "bench/bare_product.h"

#include <dnnl.hpp>
#include <random>
#include <unordered_map>

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

}  // namespace

struct BareProduct::Plan {
  dnnl::stream stream{engine()};
  dnnl::matmul product;
  std::unordered_map<int, memory> arguments;
};

BareProduct::BareProduct(std::int64_t m, std::int64_t n, std::int64_t k, bool a_transposed, bool b_transposed)
    : plan_(std::make_unique<Plan>()) {
  const memory a = random_memory(m, k, a_transposed), b = random_memory(k, n, b_transposed);
  const memory c = random_memory(m, n, false);
  plan_->product = dnnl::matmul({{a.get_desc(), b.get_desc(), c.get_desc()}, engine()});
  plan_->arguments = {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}};
}
BareProduct::~BareProduct() = default;
BareProduct::BareProduct(BareProduct&&) noexcept = default;
BareProduct& BareProduct::operator=(BareProduct&&) noexcept = default;
void BareProduct::run() { plan_->product.execute(plan_->stream, plan_->arguments); }

}  // namespace softwarp
