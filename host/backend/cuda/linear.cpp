#include "host/backend/cuda/linear.h"

#include <softwarp/error.h>

#include <functional>
#include <optional>
#include <utility>

#include "kernels/training_ops.h"

namespace softwarp::cuda {
namespace {

std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// The backward of an activation reads, beside the result, ReLU a bit an element, in rows of whole 128
// bits, which only cuBLASLt reads; GELU z, in rows of whole 8 elements.
std::int64_t aux_stride(Activation kind, std::int64_t width) {
  switch (kind) {
    case Activation::relu: return round_up(width, 128);
    case Activation::gelu: return round_up(width, 8);
    default: return 0;
  }
}
std::int64_t aux_floats(Activation kind, std::int64_t rows, std::int64_t width) {
  return rows * aux_stride(kind, width) / (kind == Activation::relu ? 32 : 1);
}

// DEFAULT: cuBLASLt has none that does bias and activation.
cublasLtEpilogue_t forward_epilogue(Activation kind, bool trains) {
  switch (kind) {
    case Activation::identity: return CUBLASLT_EPILOGUE_BIAS;
    case Activation::relu: return trains ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_BIAS;
    case Activation::gelu: return trains ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_BIAS;
    default: return CUBLASLT_EPILOGUE_DEFAULT;
  }
}
cublasLtEpilogue_t backward_epilogue(Activation below) {
  switch (below) {
    case Activation::relu: return CUBLASLT_EPILOGUE_DRELU_BGRAD;
    case Activation::gelu: return CUBLASLT_EPILOGUE_DGELU_BGRAD;
    default: return CUBLASLT_EPILOGUE_DEFAULT;
  }
}

// Milliseconds that the work takes on the stream, once it has been done before.
float time(cudaStream_t stream, const std::function<void()>& work) {
  constexpr int kRuns = 20;
  const auto start = make<Event>(cudaEventCreateWithFlags, unsigned{cudaEventDefault}),
             end = make<Event>(cudaEventCreateWithFlags, unsigned{cudaEventDefault});
  work();
  check(cudaEventRecord(start.get(), stream));
  for (int i = 0; i < kRuns; ++i) work();
  check(cudaEventRecord(end.get(), stream));
  check(cudaEventSynchronize(end.get()));
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, start.get(), end.get()));
  return milliseconds / kRuns;
}

class CudaLinear final : public Linear {
 public:
  CudaLinear(Backend& backend, const LinearShape& shape, CudaLinear* below, const MatmulContext& context)
      : Linear(shape, below),
        below_(below),
        context_(context),
        product_(plain(CUBLAS_OP_T, CUBLAS_OP_N, shape.outputs, shape.batch, shape.inputs)) {
    if (shape.trains)
      aux_ = backend.make_array<float>(aux_floats(shape.activation, shape.batch, shape.outputs));
    fused_ = fused(CUBLAS_OP_T, CUBLAS_OP_N, shape.outputs, shape.batch, shape.inputs,
                   forward_epilogue(shape.activation, shape.trains),
                   shape.trains ? aux_stride(shape.activation, shape.outputs) : 0);
    if (!shape.trains) return;
    weights_ = plain(CUBLAS_OP_N, CUBLAS_OP_T, shape.inputs, shape.outputs, shape.batch);
    weights_and_bias_ = fused(CUBLAS_OP_N, CUBLAS_OP_T, shape.inputs, shape.outputs, shape.batch,
                              CUBLASLT_EPILOGUE_BGRADB, 0);
    input_ = plain(CUBLAS_OP_N, CUBLAS_OP_N, shape.inputs, shape.batch, shape.outputs);
    if (below == nullptr) return;
    const Activation activation_below = below->shape().activation;
    through_ = fused(CUBLAS_OP_N, CUBLAS_OP_N, shape.inputs, shape.batch, shape.outputs,
                     backward_epilogue(activation_below), aux_stride(activation_below, shape.inputs));
  }

  // Times each epilogue against a plain product and our kernel, on made-up values, and drops the slower ones.
  void keep_faster(Backend& backend) {
    const LinearShape& s = shape();
    const Matrix x = backend.make_matrix(s.batch, s.inputs), w = backend.make_matrix(s.outputs, s.inputs),
                 y = backend.make_matrix(s.batch, s.outputs), dx = backend.make_matrix(s.batch, s.inputs),
                 dw = backend.make_matrix(s.outputs, s.inputs);
    const auto b = backend.make_array<float>(s.outputs), db = backend.make_array<float>(s.inputs);
    keep_faster(fused_, [&] { forward(x.view(), w.view(), b.data(), y.view()); });
    if (!s.trains) return;
    keep_faster(weights_and_bias_, [&] { backward_weights(x.view(), y.view(), dw.view(), b.data()); });
    if (below_ == nullptr) return;
    const Activation activation_below = below_->shape().activation;
    const auto mask = backend.make_array<float>(aux_floats(activation_below, s.batch, s.inputs));
    keep_faster(through_, [&] {
      if (run_through(y.view(), w.view(), mask.data(), dx.view(), db.data())) return;
      backward_input(y.view(), w.view(), dx.view());
      bias_activation_backward(activation_below, z_of(mask.data(), activation_below, s.inputs), x.view(),
                               dx.view(), dx.view(), db.data(), context_.stream);
    });
  }

 private:
  std::optional<Matmul> fused(cublasOperation_t a, cublasOperation_t b, std::int64_t m, std::int64_t n,
                              std::int64_t k, cublasLtEpilogue_t epilogue, std::int64_t stride) const {
    if (epilogue == CUBLASLT_EPILOGUE_DEFAULT) return std::nullopt;
    Matmul product(context_, {a, b, m, n, k, epilogue, stride});
    if (product.status() != CUBLAS_STATUS_SUCCESS) return std::nullopt;
    return product;
  }
  Matmul plain(cublasOperation_t a, cublasOperation_t b, std::int64_t m, std::int64_t n,
               std::int64_t k) const {
    Matmul product(context_, {.a = a, .b = b, .m = m, .n = n, .k = k});
    check(product.status());
    return product;
  }
  static void run_plain(Matmul& product, const MatmulOperands& operands) { check(product.run(operands)); }
  static bool run_fused(std::optional<Matmul>& product, const MatmulOperands& operands) {
    return product && product->run(operands) == CUBLAS_STATUS_SUCCESS;
  }

  void keep_faster(std::optional<Matmul>& fused, const std::function<void()>& work) const {
    if (!fused) return;
    const float with = time(context_.stream, work);
    auto dropped = std::exchange(fused, std::nullopt);
    if (with < time(context_.stream, work)) fused = std::move(dropped);
  }

  // z where gelu kept it.
  ConstView z_of(const float* aux, Activation kind, std::int64_t width) const {
    if (kind != Activation::gelu) return {};
    return {aux, shape().batch, width, aux_stride(kind, width)};
  }

  void forward_impl(ConstView x, ConstView w, const float* b, View y) override {
    const MatmulOperands operands{w.data, x.data, y.data, const_cast<float*>(b), aux_.data()};
    has_mask_ = run_fused(fused_, operands);
    if (has_mask_) return;
    run_plain(product_, {w.data, x.data, y.data});
    const bool keeps = shape().trains && shape().activation == Activation::gelu;
    const View z{aux_.data(), y.rows, y.cols, aux_stride(Activation::gelu, y.cols)};
    bias_activation(shape().activation, y, b, keeps ? z : View{}, y, context_.stream);
  }

  void backward_weights_impl(ConstView x, ConstView dz, View dw, float* db) override {
    if (db != nullptr && run_fused(weights_and_bias_, {x.data, dz.data, dw.data, db})) return;
    run_plain(*weights_, {x.data, dz.data, dw.data});
    if (db != nullptr) bias_activation_backward(Activation::identity, {}, dz, dz, {}, db, context_.stream);
  }

  void backward_input_impl(ConstView dz, ConstView w, View dx) override {
    run_plain(*input_, {w.data, dz.data, dx.data});
  }

  void activation_backward_impl(ConstView y, View dz, float* db) override {
    bias_activation_backward(shape().activation, z_of(aux_.data(), shape().activation, shape().outputs), y,
                             dz, dz, db, context_.stream);
  }

  bool run_through(ConstView dz, ConstView w, float* aux, View dz_below, float* db_below) {
    return db_below != nullptr && run_fused(through_, {w.data, dz.data, dz_below.data, db_below, aux});
  }

  void backward_through_impl(ConstView dz, ConstView w, ConstView y_below, View dz_below,
                             float* db_below) override {
    const bool has_aux = below_->has_mask_ || below_->shape().activation == Activation::gelu;
    if (has_aux && run_through(dz, w, below_->aux_.data(), dz_below, db_below)) return;
    backward_input(dz, w, dz_below);
    below_->activation_backward(y_below, dz_below, db_below);
  }

  CudaLinear* below_;
  MatmulContext context_;
  Array<float> aux_;
  bool has_mask_ = false;  // the last forward left ReLU's
  Matmul product_;
  std::optional<Matmul> fused_;
  std::optional<Matmul> weights_;
  std::optional<Matmul> weights_and_bias_;
  std::optional<Matmul> input_;
  std::optional<Matmul> through_;
};

}  // namespace

std::vector<std::unique_ptr<Linear>> make_layers(Backend& backend, std::span<const LinearShape> shapes,
                                                 const MatmulContext& context, bool tune) {
  std::vector<std::unique_ptr<Linear>> layers;
  CudaLinear* below = nullptr;
  for (const LinearShape& shape : shapes) {
    auto layer = std::make_unique<CudaLinear>(backend, shape, below, context);
    if (tune) layer->keep_faster(backend);
    below = layer.get();
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace softwarp::cuda
