// Optimizer steps: one pass over the flat buffers, 5 (SGD with momentum) or 7 (AdamW) values of 4 bytes
// moved for each parameter. Beside them the moving average and the sum of gradients, 3 values each, and the
// max-norm constraint, 1 value read.

#include "host/backend/cpu/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/optimizer.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include "core/optimizer.h"
#include "host/backend/cpu/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Stores what update(i, n) makes of every vector of parameters: `n` of them from `i` on, all decayed or none.
// Returns whether all of it is finite.
template <class Update>
bool update_vectors(const ParameterBuffers& p, Update update) {
  const D d;
  const std::int64_t lanes = lanes_of(d);
  bool finite = true;
  const auto range = [&](std::int64_t begin, std::int64_t end, bool decays) {
    bool all_finite = true;
#pragma omp parallel for schedule(static) reduction(&& : all_finite) if (end - begin > 16384)
    for (std::int64_t i = begin; i < end; i += lanes) {
      const V value = update(i, end - i, decays);
      all_finite = all_finite && hn::AllTrue(d, hn::IsFinite(value));
      store_partial(d, value, p.values + i, end - i);
    }
    finite = finite && all_finite;
  };
  range(0, p.decayed, true);
  range(p.decayed, p.size, false);
  return finite;
}

bool Sgd(const ParameterBuffers& p, const SgdOptions& o, float rate) {
  const D d;
  const V minus_rate = hn::Set(d, -rate);
  const V momentum = hn::Set(d, o.momentum);
  return update_vectors(p, [&](std::int64_t i, std::int64_t n, bool decays) {
    const V value = load_partial(d, p.values + i, n);
    V step = load_partial(d, p.gradients + i, n);
    if (decays) step = hn::MulAdd(hn::Set(d, o.weight_decay), value, step);
    if (o.momentum != 0) {
      const V moment = hn::MulAdd(momentum, load_partial(d, p.first_moment + i, n), step);
      store_partial(d, moment, p.first_moment + i, n);
      step = o.nesterov ? hn::MulAdd(momentum, moment, step) : moment;
    }
    return hn::MulAdd(minus_rate, step, value);
  });
}

bool Adamw(const ParameterBuffers& p, const AdamwOptions& o, float rate, std::int64_t step) {
  const D d;
  const AdamwStep shared = AdamwStep::at(rate, o, step);
  const V beta1 = hn::Set(d, o.beta1), rest1 = hn::Set(d, 1 - o.beta1);
  const V beta2 = hn::Set(d, o.beta2), rest2 = hn::Set(d, 1 - o.beta2);
  const V minus_rate = hn::Set(d, -shared.rate), root_scale = hn::Set(d, shared.root_scale);
  const V epsilon = hn::Set(d, o.epsilon);
  return update_vectors(p, [&](std::int64_t i, std::int64_t n, bool decays) {
    const V g = load_partial(d, p.gradients + i, n);
    const V m = hn::MulAdd(beta1, load_partial(d, p.first_moment + i, n), hn::Mul(rest1, g));
    const V v = hn::MulAdd(beta2, load_partial(d, p.second_moment + i, n), hn::Mul(rest2, hn::Mul(g, g)));
    store_partial(d, m, p.first_moment + i, n);
    store_partial(d, v, p.second_moment + i, n);
    V value = load_partial(d, p.values + i, n);
    if (decays) value = hn::Mul(value, hn::Set(d, shared.keep));
    const V root = hn::MulAdd(hn::Sqrt(v), root_scale, epsilon);
    return hn::MulAdd(minus_rate, hn::Div(m, root), value);
  });
}

void Average(const float* values, float* average, std::int64_t size, float weight) {
  const D d;
  const std::int64_t lanes = lanes_of(d);
#pragma omp parallel for schedule(static) if (size > 16384)
  for (std::int64_t i = 0; i < size; i += lanes) {
    const V before = load_partial(d, average + i, size - i);
    const V change = hn::Sub(load_partial(d, values + i, size - i), before);
    store_partial(d, hn::MulAdd(hn::Set(d, weight), change, before), average + i, size - i);
  }
}

void Add(const float* from, float* to, std::int64_t size) {
  const D d;
  const std::int64_t lanes = lanes_of(d);
#pragma omp parallel for schedule(static) if (size > 16384)
  for (std::int64_t i = 0; i < size; i += lanes)
    store_partial(d, hn::Add(load_partial(d, to + i, size - i), load_partial(d, from + i, size - i)), to + i,
                  size - i);
}

void Renorm(MatrixView<float> x, float max_norm) {
  const D d;
  const std::int64_t lanes = lanes_of(d);
#pragma omp parallel for schedule(static) if (x.size() > 16384)
  for (std::int64_t r = 0; r < x.rows; ++r) {
    float* const row = x.row(r);
    V squares = hn::Zero(d), more_squares = hn::Zero(d);  // two, so that sums do not wait for each other
    for (std::int64_t j = 0; j < x.cols; j += 2 * lanes) {
      const V one = load_partial(d, row + j, x.cols - j);
      squares = hn::MulAdd(one, one, squares);
      if (j + lanes >= x.cols) break;
      const V other = load_partial(d, row + j + lanes, x.cols - j - lanes);
      more_squares = hn::MulAdd(other, other, more_squares);
    }
    const float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(squares, more_squares)));
    if (!(sum > max_norm * max_norm) || !std::isfinite(sum)) continue;
    const V scale = hn::Set(d, max_norm / std::sqrt(sum));
    for (std::int64_t j = 0; j < x.cols; j += lanes)
      store_partial(d, hn::Mul(load_partial(d, row + j, x.cols - j), scale), row + j, x.cols - j);
  }
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(Sgd);
HWY_EXPORT(Adamw);
HWY_EXPORT(Average);
HWY_EXPORT(Add);
HWY_EXPORT(Renorm);

bool sgd_step(const ParameterBuffers& parameters, const SgdOptions& options, float rate) {
  return HWY_DYNAMIC_DISPATCH(Sgd)(parameters, options, rate);
}

bool adamw_step(const ParameterBuffers& parameters, const AdamwOptions& options, float rate,
                std::int64_t step) {
  return HWY_DYNAMIC_DISPATCH(Adamw)(parameters, options, rate, step);
}

void average_parameters(const float* values, float* average, std::int64_t size, float weight) {
  HWY_DYNAMIC_DISPATCH(Average)(values, average, size, weight);
}

void add(const float* from, float* to, std::int64_t size) { HWY_DYNAMIC_DISPATCH(Add)(from, to, size); }

void renorm_rows(MatrixView<float> x, float max_norm) { HWY_DYNAMIC_DISPATCH(Renorm)(x, max_norm); }

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
