// Activations and their backward, with the bias gradient in the same pass: each element is read once and
// written once. A thread owns columns, so a column's sum has one order whatever the number of threads.

#include "core/activation.h"
#include "host/backend/cpu/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include <hwy/contrib/math/math-inl.h>

#include "host/backend/cpu/partial-inl.h"
#include "host/backend/cpu/vector_exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

V gelu_argument(D d, V z) {
  const V cubic = hn::Mul(hn::Set(d, static_cast<float>(kGeluCubic)), hn::Mul(z, z));
  return hn::Mul(hn::Set(d, static_cast<float>(kGeluScale)), hn::MulAdd(cubic, z, z));
}

template <Activation kind>
V activate(D d, V z) {
  const V one = hn::Set(d, 1.0f);
  if constexpr (kind == Activation::identity) return z;
  // Written so that NaN passes: a comparison with it is false.
  if constexpr (kind == Activation::relu) return hn::IfThenElse(hn::Lt(z, hn::Zero(d)), hn::Zero(d), z);
  if constexpr (kind == Activation::gelu)
    return hn::Mul(hn::Mul(hn::Set(d, 0.5f), z), hn::Add(one, hn::Tanh(d, gelu_argument(d, z))));
  if constexpr (kind == Activation::tanh) return hn::Tanh(d, z);
  if constexpr (kind == Activation::sigmoid) {
    // exp of what is never positive cannot overflow; sigmoid(-z) = 1 - sigmoid(z) = e / (1 + e).
    const V e = vector_exp(d, hn::Neg(hn::Abs(z)));
    return hn::Div(hn::IfThenElse(hn::Lt(z, hn::Zero(d)), e, one), hn::Add(one, e));
  }
}

// dy times da/dz, as core/activation.h has it.
template <Activation kind>
V backward(D d, V z, V y, V dy) {
  const V one = hn::Set(d, 1.0f);
  if constexpr (kind == Activation::identity) return dy;
  if constexpr (kind == Activation::relu) return hn::IfThenElseZero(hn::Gt(y, hn::Zero(d)), dy);
  if constexpr (kind == Activation::gelu) {
    const V half = hn::Set(d, 0.5f);
    const V t = hn::Tanh(d, gelu_argument(d, z));
    const V slope = hn::MulAdd(hn::Set(d, static_cast<float>(3 * kGeluScale * kGeluCubic)), hn::Mul(z, z),
                               hn::Set(d, static_cast<float>(kGeluScale)));
    const V bend = hn::Mul(hn::Mul(hn::Mul(half, z), hn::NegMulAdd(t, t, one)), slope);
    return hn::Mul(dy, hn::MulAdd(half, hn::Add(one, t), bend));
  }
  if constexpr (kind == Activation::tanh) return hn::Mul(dy, hn::NegMulAdd(y, y, one));
  if constexpr (kind == Activation::sigmoid) return hn::Mul(dy, hn::NegMulAdd(y, y, y));
}

constexpr std::int64_t kParallelFrom = 16384;  // elements; less is done before a thread has woken

template <Activation kind>
void forward_rows(ConstMatrixView<float> z, MatrixView<float> y) {
  const D d;
#pragma omp parallel for schedule(static) if (z.size() > kParallelFrom)
  for (std::int64_t r = 0; r < z.rows; ++r)
    for (std::int64_t j = 0; j < z.cols; j += lanes_of(d)) {
      const V v = load_partial(d, z.row(r) + j, z.cols - j);
      store_partial(d, activate<kind>(d, v), y.row(r) + j, z.cols - j);
    }
}

// sums may be null. One vector of columns at a time, all rows: rows are few hundred bytes to few KB apart
// and a batch stays in the cache.
template <Activation kind>
void backward_columns(ConstMatrixView<float> z, ConstMatrixView<float> y, ConstMatrixView<float> dy,
                      MatrixView<float> dz, float* sums) {
  const D d;
#pragma omp parallel for schedule(static) if (dy.size() > kParallelFrom)
  for (std::int64_t j = 0; j < dy.cols; j += lanes_of(d)) {
    const std::int64_t n = dy.cols - j;
    V sum = hn::Zero(d);
    for (std::int64_t r = 0; r < dy.rows; ++r) {
      const V zv = kind == Activation::gelu ? load_partial(d, z.row(r) + j, n) : hn::Zero(d);
      const V yv = kind == Activation::identity ? zv : load_partial(d, y.row(r) + j, n);
      const V v = backward<kind>(d, zv, yv, load_partial(d, dy.row(r) + j, n));
      if (dz.data != nullptr) store_partial(d, v, dz.row(r) + j, n);
      sum = hn::Add(sum, v);
    }
    if (sums != nullptr) store_partial(d, sum, sums + j, n);
  }
}

template <class Run>
void with_kind(Activation kind, Run run) {
  switch (kind) {
    case Activation::identity: return run.template operator()<Activation::identity>();
    case Activation::relu: return run.template operator()<Activation::relu>();
    case Activation::gelu: return run.template operator()<Activation::gelu>();
    case Activation::tanh: return run.template operator()<Activation::tanh>();
    case Activation::sigmoid: return run.template operator()<Activation::sigmoid>();
  }
}

void Forward(Activation kind, ConstMatrixView<float> z, MatrixView<float> y) {
  with_kind(kind, [&]<Activation k>() { forward_rows<k>(z, y); });
}

void Backward(Activation kind, ConstMatrixView<float> z, ConstMatrixView<float> y, ConstMatrixView<float> dy,
              MatrixView<float> dz, float* sums) {
  with_kind(kind, [&]<Activation k>() { backward_columns<k>(z, y, dy, dz, sums); });
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(Forward);
HWY_EXPORT(Backward);

void activation(Activation kind, ConstMatrixView<float> z, MatrixView<float> y) {
  HWY_DYNAMIC_DISPATCH(Forward)(kind, z, y);
}

void activation_backward(Activation kind, ConstMatrixView<float> z, ConstMatrixView<float> y,
                         ConstMatrixView<float> dy, MatrixView<float> dz) {
  HWY_DYNAMIC_DISPATCH(Backward)(kind, z, y, dy, dz, nullptr);
}

void activation_backward_sums(Activation kind, ConstMatrixView<float> z, ConstMatrixView<float> y,
                              MatrixView<float> dz, float* sums) {
  // identity changes nothing: only the sums remain to be done.
  const MatrixView<float> result = kind == Activation::identity ? MatrixView<float>{} : dz;
  HWY_DYNAMIC_DISPATCH(Backward)(kind, z, y, dz, result, sums);
}

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
