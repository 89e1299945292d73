// The batch from the data set: one byte, or a float, read and four bytes written for each pixel; and dropout,
// whose randomness comes from a counter, so that the backward draws the same.

#include "core/dropout.h"
#include "host/backend/cpu/elementwise.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/gather.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include "host/backend/cpu/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::VFromD<D> LoadFloats(D d, const std::uint8_t* from) {
  const hn::Rebind<std::int32_t, D> wide;
  const hn::Rebind<std::uint8_t, D> bytes;
  return hn::ConvertTo(d, hn::PromoteTo(wide, hn::LoadU(bytes, from)));
}
template <class D>
HWY_INLINE hn::VFromD<D> LoadFloats(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class T>
void GatherFrom(const T* images, const DatasetView& data, const std::int32_t* order, std::int64_t position,
                MatrixView<float> batch, std::int32_t* targets) {
  const hn::ScalableTag<float> d;
  const auto scale = hn::Set(d, data.scale);
  const std::int64_t whole = data.pixels / lanes_of(d) * lanes_of(d);
#pragma omp parallel for schedule(static) if (batch.size() > 16384)
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    const std::int64_t sample = order != nullptr ? order[position + r] : position + r;
    const T* image = images + sample * data.pixels;
    float* row = batch.row(r);
    for (std::int64_t j = 0; j < whole; j += lanes_of(d))
      hn::StoreU(hn::Mul(LoadFloats(d, image + j), scale), d, row + j);
    for (std::int64_t j = whole; j < data.pixels; ++j) row[j] = static_cast<float>(image[j]) * data.scale;
    targets[r] = data.labels[sample];
  }
}

void Gather(const DatasetView& data, const std::int32_t* order, std::int64_t position,
            MatrixView<float> batch, std::int32_t* targets) {
  data.values == nullptr ? GatherFrom(data.images, data, order, position, batch, targets)
                         : GatherFrom(data.values, data, order, position, batch, targets);
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(Gather);

void gather_batch(const DatasetView& data, const std::int32_t* order, std::int64_t position,
                  MatrixView<float> batch, std::int32_t* targets) {
  HWY_DYNAMIC_DISPATCH(Gather)(data, order, position, batch, targets);
}

void dropout(ConstMatrixView<float> x, float rate, std::int32_t layer, const TrainingState& state,
             MatrixView<float> y, std::int64_t first_row) {
  const Dropout chance(rate);
  const std::int64_t size = x.size(), first = first_row * x.cols;  // element of the batch
  const std::int64_t first_group = first / kDropoutGroup;
  const std::int64_t end_group = (first + size + kDropoutGroup - 1) / kDropoutGroup;
#pragma omp parallel for schedule(static) if (size > 4096)
  for (std::int64_t group = first_group; group < end_group; ++group) {
    const RandomWords words = dropout_words(state, layer, group);
    const std::int64_t at = group * kDropoutGroup - first;
    const auto drop = [&](std::int64_t i) {
      y.data[at + i] = chance.keeps(words, static_cast<int>(i)) ? x.data[at + i] * chance.scale : 0.0f;
    };
    if (at >= 0 && at + kDropoutGroup <= size)
      for (std::int64_t i = 0; i < kDropoutGroup; ++i) drop(i);
    else
      for (std::int64_t i = std::max<std::int64_t>(-at, 0); i < std::min(kDropoutGroup, size - at); ++i)
        drop(i);
  }
}

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
