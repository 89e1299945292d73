#include "host/backend/cpu/linear.h"

#include <omp.h>

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/backend/cpu/elementwise.h"
#include "host/backend/cpu/fork.h"
#include "host/backend/cpu/onednn.h"

namespace softwarp::cpu {
namespace {

using dnnl::memory;

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::desc matrix(std::int64_t rows, std::int64_t cols, std::int64_t row_stride, std::int64_t col_stride) {
  return {{rows, cols}, memory::data_type::f32, memory::dims{row_stride, col_stride}};
}

// c = a b (+ bias), for three fixed layouts. oneDNN reads through non-const pointers what it only reads.
class Matmul {
 public:
  Matmul(const memory::desc& a, const memory::desc& b, const memory::desc& c)
      : Matmul(plan_matmul(cpu_engine(), a, b, c), a, b, c) {}
  Matmul(const memory::desc& a, const memory::desc& b, const memory::desc& bias, const memory::desc& c)
      : Matmul(plan_matmul(cpu_engine(), a, b, bias, c), a, b, c) {
    bias_ = memory(bias, cpu_engine(), nullptr);
    arguments_.emplace(DNNL_ARG_BIAS, bias_);
  }

  void run(const float* a, const float* b, float* c, const float* bias = nullptr) {
    a_.set_data_handle(const_cast<float*>(a));
    b_.set_data_handle(const_cast<float*>(b));
    c_.set_data_handle(c);
    if (bias != nullptr) bias_.set_data_handle(const_cast<float*>(bias));
    product_.execute(stream_, arguments_);
  }

 private:
  Matmul(dnnl::matmul product, const memory::desc& a, const memory::desc& b, const memory::desc& c)
      : stream_(cpu_engine()),
        a_(a, cpu_engine(), nullptr),
        b_(b, cpu_engine(), nullptr),
        c_(c, cpu_engine(), nullptr),
        product_(std::move(product)),
        arguments_{{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, c_}} {}

  dnnl::stream stream_;
  memory a_, b_, c_, bias_;
  dnnl::matmul product_;
  std::unordered_map<int, memory> arguments_;
};

class CpuLinear final : public Linear {
 public:
  CpuLinear(const LinearShape& shape, Linear* below, int threads)
      : Linear(shape, below),
        threads_(threads),
        forward_(matrix(shape.batch, shape.inputs, shape.inputs, 1),
                 matrix(shape.inputs, shape.outputs, 1, shape.inputs),
                 /*bias=*/matrix(1, shape.outputs, shape.outputs, 1),
                 matrix(shape.batch, shape.outputs, shape.outputs, 1)) {
    if (!shape.trains) return;
    weights_.emplace(matrix(shape.outputs, shape.batch, 1, shape.outputs),
                     matrix(shape.batch, shape.inputs, shape.inputs, 1),
                     matrix(shape.outputs, shape.inputs, shape.inputs, 1));
    input_.emplace(matrix(shape.batch, shape.outputs, shape.outputs, 1),
                   matrix(shape.outputs, shape.inputs, shape.inputs, 1),
                   matrix(shape.batch, shape.inputs, shape.inputs, 1));
    if (shape.activation == Activation::gelu)
      z_.resize(static_cast<std::size_t>(shape.batch * shape.outputs));
  }

 private:
  ConstView z() const { return matrix_view<const float>(z_.data(), shape().batch, shape().outputs); }

  void forward_impl(ConstView x, ConstView w, const float* b, View y) override {
    omp_set_num_threads(threads_here(threads_));
    const View z = z_.empty() ? y : matrix_view(z_.data(), y.rows, y.cols);
    forward_.run(x.data, w.data, z.data, b);
    if (shape().activation != Activation::identity) activation(shape().activation, z, y);
  }

  void backward_weights_impl(ConstView x, ConstView dz, View dw, float* db) override {
    omp_set_num_threads(threads_here(threads_));
    weights_->run(dz.data, x.data, dw.data);
    if (db != nullptr)
      activation_backward_sums(Activation::identity, dz, dz,
                               {const_cast<float*>(dz.data), dz.rows, dz.cols, dz.stride}, db);
  }

  void backward_input_impl(ConstView dz, ConstView w, View dx) override {
    omp_set_num_threads(threads_here(threads_));
    input_->run(dz.data, w.data, dx.data);
  }

  void activation_backward_impl(ConstView y, View dz, float* db) override {
    omp_set_num_threads(threads_here(threads_));
    activation_backward_sums(shape().activation, z(), y, dz, db);
  }

  int threads_;
  Matmul forward_;
  std::optional<Matmul> weights_;
  std::optional<Matmul> input_;
  std::vector<float> z_;
};

}  // namespace

std::unique_ptr<Linear> make_linear(const LinearShape& shape, Linear* below, int threads) {
  omp_set_num_threads(
      threads_here(threads));  // a primitive plans for the threads there are when it is created
  return std::make_unique<CpuLinear>(shape, below, threads);
}

}  // namespace softwarp::cpu
